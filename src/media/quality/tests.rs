use super::*;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Packet `sequence` of a source, spoken every 20 ms, that arrived at `at` milliseconds.
fn packet(start: Instant, source: u32, sequence: u64, at: u64) -> Packet {
    Packet { source, sequence, time: sequence * 960, arrived: start + ms(at), payload: vec![0].into() }
}

#[test]
fn a_call_without_media_has_no_quality() {
    assert_eq!(Meter::default().quality(Instant::now()), None);
}

#[test]
fn a_clean_stream_has_no_loss_no_jitter_and_gaps_of_a_frame() {
    let start = Instant::now();
    let mut meter = Meter::default();
    for sequence in 0..100 {
        meter.received(&packet(start, 1, 700 + sequence, 20 * sequence));
    }
    let way = meter.quality(start + ms(1990)).expect("media").received;
    let expected = Way { packets: 100, lost: Some(0), jitter: Some(ms(0)), longest_gap: ms(20) };
    assert_eq!(way, expected);
}

#[test]
fn late_packets_are_not_lost_and_those_that_never_come_are() {
    let start = Instant::now();
    let mut meter = Meter::default();
    // 3 comes after 4; 6 and 7 never; the stream's first packet is overtaken by its second.
    for (sequence, at) in [(1, 20), (0, 21), (2, 40), (4, 80), (3, 85), (5, 100), (8, 160)] {
        meter.received(&packet(start, 1, sequence, at));
    }
    let way = meter.quality(start + ms(160)).expect("media").received;
    assert_eq!((way.packets, way.lost, way.longest_gap), (7, Some(2), ms(60)));
}

#[test]
fn jitter_is_how_much_the_packets_times_under_way_differ() {
    let start = Instant::now();
    let mut meter = Meter::default();
    for sequence in 0..101 {
        meter.received(&packet(start, 1, sequence, 20 * sequence + 8 * (sequence % 2)));
    }
    assert_eq!(meter.quality(start + ms(2000)).expect("media").received.jitter, Some(ms(8)));
}

#[test]
fn a_sender_that_pauses_and_whose_clock_does_too_makes_a_gap_and_no_jitter() {
    let start = Instant::now();
    let mut meter = Meter::default();
    for sequence in 0..50 {
        let pause = if sequence < 25 { 0 } else { 5_000 };
        meter.received(&packet(start, 1, sequence, 20 * sequence + pause));
    }
    let way = meter.quality(start + ms(9_000)).expect("media").received;
    assert_eq!((way.lost, way.jitter, way.longest_gap), (Some(0), Some(ms(0)), ms(5_020)));
}

#[test]
fn the_silence_at_the_end_is_a_gap_of_the_callers_and_not_of_ours() {
    let start = Instant::now();
    let mut meter = Meter::default();
    meter.received(&packet(start, 1, 0, 0));
    meter.sent(start);
    let quality = meter.quality(start + ms(700)).expect("media");
    assert_eq!((quality.received.longest_gap, quality.sent.longest_gap), (ms(700), ms(0)));
}

#[test]
fn another_source_is_counted_from_its_own_first_packet() {
    let start = Instant::now();
    let mut meter = Meter::default();
    for (source, sequence, at) in [(1, 10, 0), (1, 12, 40), (2, 9_000, 60), (2, 9_003, 120), (2, 9_004, 140)]
    {
        meter.received(&packet(start, source, sequence, at));
    }
    let way = meter.quality(start + ms(140)).expect("media").received;
    assert_eq!((way.packets, way.lost), (5, Some(1 + 2)));
}

#[test]
fn what_we_sent_is_our_count_and_the_other_ends_report_over_all_streams() {
    let start = Instant::now();
    let mut meter = Meter::default();
    meter.unsent();
    let intervals = [0, 20, 45, 60].map(|at| meter.sent(start + ms(at)));
    assert_eq!(intervals, [None, Some(ms(20)), Some(ms(25)), Some(ms(15))]);
    let way = meter.quality(start + ms(60)).expect("media").sent;
    assert_eq!(way, Way { packets: 4, lost: None, jitter: None, longest_gap: ms(25) });

    meter.unsent();
    meter.reported(Report { lost: 3, jitter: ms(2) });
    meter.reported(Report { lost: 4, jitter: ms(4) });
    meter.interrupted();
    assert_eq!(meter.sent(start + ms(5_000)), None, "an interruption is no interval");
    meter.sent(start + ms(5_020));
    let before = meter.quality(start).expect("media").sent;
    assert_eq!(before.lost, Some(4), "nobody has told of the new stream yet");
    meter.reported(Report { lost: 1, jitter: ms(3) });
    let way = meter.quality(start).expect("media").sent;
    assert_eq!(way, Way { packets: 6, lost: Some(5), jitter: Some(ms(3)), longest_gap: ms(25) });
    assert_eq!(
        meter.quality(start).expect("media").unsent,
        1,
        "what could not leave before the first is no audio"
    );
}
