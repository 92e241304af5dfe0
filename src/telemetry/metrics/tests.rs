use std::collections::BTreeSet;
use std::path::Path;

use super::*;

#[test]
fn what_happened_is_what_is_rendered() {
    let metrics = Metrics::new();
    let up = metrics.call_offered();
    drop(metrics.call_offered());
    metrics.offer_turned_away(TurnedAway::Full);
    metrics.call_ended("refused", Some("busy"));
    metrics.call_ended("caller-hung-up", None);
    metrics.config_found("dialplan", Some("timeout"), Duration::from_millis(1500));
    metrics.config_requested("timeout");
    metrics.config_retried();
    metrics.config_refreshed();
    metrics.config_coalesced();
    metrics.config_cache(3, 4096);
    metrics.config_breakers(1);
    metrics.call_answered(Duration::from_millis(260));
    metrics.greeting_started(Duration::from_millis(320));
    metrics.barge_ins(1);
    metrics.model_closed("lost");
    metrics.journal_failed(JournalWrite::OpenMark);
    metrics.journal_synced();
    metrics.worker_registered(&"main".into(), true);
    metrics.slots(1, 200);
    metrics.tasks(12);
    metrics.dialplans_reloaded(Reload::Applied);
    metrics.dialplan_problems(3);
    let text = metrics.render();
    for line in [
        "dialplane_calls_offered_total 2",
        "dialplane_calls_active 1",
        r#"dialplane_offers_turned_away_total{reason="full"} 1"#,
        r#"dialplane_calls_ended_total{ending="refused",detail="busy"} 1"#,
        r#"dialplane_calls_ended_total{ending="caller-hung-up",detail=""} 1"#,
        r#"dialplane_config_lookups_total{source="dialplan",why="timeout"} 1"#,
        r#"dialplane_config_requests_total{outcome="timeout"} 1"#,
        "dialplane_config_retries_total 1",
        "dialplane_config_refreshes_total 1",
        "dialplane_config_coalesced_total 1",
        "dialplane_config_cache_entries 3",
        "dialplane_config_cache_bytes 4096",
        "dialplane_config_breakers_open 1",
        r#"dialplane_config_seconds_bucket{le="1.0"} 0"#,
        r#"dialplane_config_seconds_bucket{le="1.5"} 1"#,
        r#"dialplane_answer_seconds_bucket{le="0.3"} 1"#,
        "dialplane_greeting_seconds_count 1",
        "dialplane_barge_ins_total 1",
        r#"dialplane_model_sessions_closed_total{reason="lost"} 1"#,
        r#"dialplane_journal_errors_total{what="open-mark"} 1"#,
        "dialplane_journal_syncs_total 1",
        r#"dialplane_worker_registered{project="main"} 1"#,
        "dialplane_slots_taken 1",
        "dialplane_tasks 12",
        "dialplane_slots_limit 200",
        r#"dialplane_dialplan_reloads_total{outcome="applied"} 1"#,
        "dialplane_dialplan_problems 3",
        "# EOF",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    drop(up);
    assert!(metrics.render().contains("dialplane_calls_active 0"));
}

#[test]
fn a_limit_that_a_call_met_is_counted_by_its_name() {
    let metrics = Metrics::new();
    metrics.call_limited("calls");
    let text = metrics.render();
    assert!(text.contains(r#"dialplane_calls_limited_total{limit="calls"} 1"#), "{text}");
}

#[test]
fn what_became_of_a_calls_media_is_told_by_direction() {
    let metrics = Metrics::new();
    let ms = Duration::from_millis;
    metrics.frame_sent(Duration::from_micros(1500));
    metrics.late(0.25);
    metrics.media(Direction::Received, 500, Some(3), Some(ms(4)), ms(90));
    metrics.media(Direction::Sent, 600, None, None, ms(21));
    metrics.frames_unsent(2);
    let text = metrics.render();
    for line in [
        r#"dialplane_frame_jitter_seconds_bucket{le="0.001"} 0"#,
        r#"dialplane_frame_jitter_seconds_bucket{le="0.002"} 1"#,
        "dialplane_late_frames_ratio 0.25",
        r#"dialplane_media_packets_total{direction="received"} 500"#,
        r#"dialplane_media_packets_total{direction="sent"} 600"#,
        r#"dialplane_media_lost_total{direction="received"} 3"#,
        r#"dialplane_media_lost_total{direction="sent"} 0"#,
        r#"dialplane_media_jitter_seconds_bucket{le="0.005",direction="received"} 1"#,
        r#"dialplane_media_longest_gap_seconds_bucket{le="0.1",direction="received"} 1"#,
        r#"dialplane_media_longest_gap_seconds_bucket{le="0.03",direction="sent"} 1"#,
        "dialplane_frames_unsent_total 2",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains(r#"jitter_seconds_count{direction="sent"}"#), "nobody has told\n{text}");
}

#[test]
fn what_is_left_of_a_rate_limit_is_what_was_said_last() {
    let metrics = Metrics::new();
    for (of, percent) in [(RateOf::Tokens, 99), (RateOf::Requests, 100), (RateOf::Tokens, 7)] {
        metrics.model_rate_limit(&"openai".into(), of, percent);
    }
    let text = metrics.render();
    for (of, left) in [("tokens", "0.07"), ("requests", "1.0")] {
        let line = format!("dialplane_model_rate_limit_left_ratio{{provider=\"openai\",of=\"{of}\"}} {left}");
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

/// The names in the first cells of the page's table, and what they stand for in OpenMetrics.
fn told() -> BTreeSet<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let page = std::fs::read_to_string(page).unwrap();
    let table = page.lines().skip_while(|line| !line.starts_with("| metric |")).skip(2);
    let cells = table.take_while(|line| line.starts_with('|')).filter_map(|row| row.split('|').nth(1));
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.map(|name| name.trim_end_matches("_total").to_owned()).collect()
}

#[test]
fn the_operators_page_has_every_metric() {
    let metrics = Metrics::new();
    let moment = Duration::from_millis(1);
    metrics.offer_turned_away(TurnedAway::Full);
    metrics.sip_dropped(Dropped::Rate);
    metrics.srtp_refused("spent");
    metrics.sip_refused(488);
    metrics.sip_authenticated(Authenticated::Wrong);
    metrics.call_ended("played", None);
    metrics.rescued(Rescued::Taken);
    metrics.webhook(Posted::Accepted);
    metrics.call_limited("calls");
    metrics.config_found("backend", None, moment);
    metrics.config_requested("answered");
    metrics.model_closed("lost");
    metrics.model_given_up("late");
    metrics.model_rate_limit(&"openai".into(), RateOf::Tokens, 50);
    metrics.journal_failed(JournalWrite::Record);
    metrics.worker_registered(&"main".into(), true);
    metrics.dialplans_reloaded(Reload::Problems);
    metrics.media(Direction::Sent, 1, Some(0), Some(moment), moment);
    let text = metrics.render();
    let counted = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    assert_eq!(told(), counted.map(str::to_owned).collect());
}
