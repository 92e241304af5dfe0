use super::*;

#[test]
fn what_happened_is_what_is_rendered() {
    let metrics = Metrics::new();
    let up = metrics.call_offered();
    drop(metrics.call_offered());
    metrics.offer_turned_away("full");
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
