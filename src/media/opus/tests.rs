use std::f64::consts::TAU;

use proptest::prelude::*;

use super::*;

/// `frames` frames of a tone at half of full scale.
fn tone(hz: f64, frames: usize) -> Vec<PcmFrame> {
    let sample = |n: usize| ((TAU * hz * n as f64 / f64::from(MODEL_RATE)).sin() * 16_000.0) as i16;
    (0..frames).map(|f| std::array::from_fn(|n| sample(f * FRAME_SAMPLES + n))).collect()
}

fn rms(pcm: &[i16]) -> f64 {
    (pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / pcm.len() as f64).sqrt()
}

/// The share of the energy that is at `hz`.
fn purity(pcm: &[i16], hz: f64) -> f64 {
    let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
    for (n, sample) in pcm.iter().enumerate() {
        let phase = TAU * hz * n as f64 / f64::from(MODEL_RATE);
        re += f64::from(*sample) * phase.cos();
        im += f64::from(*sample) * phase.sin();
        all += f64::from(*sample).powi(2);
    }
    2.0 * (re * re + im * im) / (pcm.len() as f64 * all)
}

#[test]
fn a_tone_survives_encoding_and_decoding() {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
    let heard: Vec<i16> =
        tone(440.0, 50).iter().flat_map(|frame| decoder.decode(&encoder.encode(frame)).unwrap()).collect();
    assert_eq!(heard.len(), 50 * FRAME_SAMPLES);
    let steady = &heard[FRAME_SAMPLES * 5..];
    assert!(purity(steady, 440.0) > 0.98, "{}", purity(steady, 440.0));
    assert!((rms(steady) / 11_314.0 - 1.0).abs() < 0.1, "{}", rms(steady));
}

#[test]
fn lasting_silence_is_one_constant_packet_and_speech_after_it_is_clean() {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
    let mut hear = |frame: &PcmFrame| {
        let packet = encoder.encode(frame);
        (packet.as_ref() == SILENCE, decoder.decode(&packet).unwrap())
    };
    for frame in &tone(440.0, 20) {
        assert!(!hear(frame).0);
    }
    let quiet: Vec<_> = (0..20).map(|_| hear(&[0; FRAME_SAMPLES])).collect();
    assert!(quiet.iter().take(FADE_FRAMES as usize).all(|(constant, _)| !constant));
    assert!(
        quiet
            .iter()
            .skip(FADE_FRAMES as usize)
            .all(|(constant, pcm)| *constant && pcm.len() == FRAME_SAMPLES)
    );
    assert!(rms(&quiet.last().unwrap().1) < 1.0);
    let heard: Vec<i16> = tone(440.0, 20).iter().flat_map(|frame| hear(frame).1).collect();
    assert!(purity(&heard[FRAME_SAMPLES..], 440.0) > 0.95, "{}", purity(&heard[FRAME_SAMPLES..], 440.0));
    let peak = heard.iter().map(|s| s.unsigned_abs()).max().unwrap();
    assert!(peak < 20_000, "no click: {peak}");
}

#[test]
fn speech_after_lasting_silence_owes_nothing_to_what_was_said_before_it() {
    let mut encoder = Encoder::new();
    for frame in tone(440.0, 20).iter().chain(&[[0; FRAME_SAMPLES]; 20]) {
        encoder.encode(frame);
    }
    let mut fresh = Encoder::new();
    for frame in &tone(700.0, 10) {
        assert_eq!(encoder.encode(frame), fresh.encode(frame));
    }
}

#[test]
fn a_lost_frame_is_recovered_from_the_next_packet_and_only_concealed_without_it() {
    // The lost frame is the first of a new tone: concealment can't know it, redundancy does.
    const LOST: usize = 20;
    let frames = [&tone(440.0, 20)[..], &tone(700.0, 5)].concat();
    let mut encoder = configured(MODEL_RATE).unwrap();
    encoder.set_inband_fec(true).unwrap();
    encoder.set_packet_loss_perc(5).unwrap();
    let packets: Vec<_> = frames.iter().map(|frame| encoded(&mut encoder, frame)).collect();
    let until_the_loss = || {
        let mut decoder = Decoder::new();
        for packet in &packets[..LOST] {
            decoder.decode(packet).unwrap();
        }
        decoder
    };
    let recovered = until_the_loss().recover(&packets[LOST + 1]).unwrap();
    let concealed = until_the_loss().conceal();
    let both_tones = |frame| (purity(frame, 700.0), purity(frame, 440.0));
    let (recovered_new, recovered_old) = both_tones(&recovered);
    assert!(recovered_new > 0.3 && recovered_new > 2.0 * recovered_old, "{recovered_new} {recovered_old}");
    let (concealed_new, concealed_old) = both_tones(&concealed);
    assert!(concealed_old > 0.5 && concealed_new < 0.1, "{concealed_new} {concealed_old}");
}

#[test]
fn packets_of_other_encoders_decode_to_mono_at_24_khz() {
    for (rate, channels, length) in
        [(48_000, Channels::Stereo, 60), (8_000, Channels::Mono, 20), (16_000, Channels::Mono, 40)]
    {
        let mut other = opus::Encoder::new(rate, channels, Application::Audio).unwrap();
        let samples = rate as usize * length / 1000 * channels as usize;
        let packet = other.encode_vec(&vec![0; samples], 4000).unwrap();
        assert_eq!(Decoder::new().decode(&packet).unwrap().len(), MODEL_RATE as usize * length / 1000);
    }
}

proptest! {
    #[test]
    fn no_packet_panics_and_no_packet_is_longer_than_120_ms(
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..8)
    ) {
        let mut decoder = Decoder::new();
        for packet in &packets {
            let _ = decoder.recover(packet);
            if let Ok(pcm) = decoder.decode(packet) {
                prop_assert!(pcm.len() <= MAX_DECODED);
            }
            decoder.conceal();
        }
        prop_assert_eq!(decoder.decode(&[]), Err(BadPacket));
    }
}
