//! Sections that lose their track and get another, as callers come and go.

use super::*;

/// The sections of an offer that carry audio, by their mids.
fn audio(offer: &Offer) -> Vec<(String, &str)> {
    let sections = offer.sdp.split("\r\nm=").filter(|section| section.starts_with("audio"));
    let mid = |section: &str| section.lines().find_map(|line| line.strip_prefix("a=mid:").map(str::to_owned));
    sections.map(|section| (mid(section).expect("a mid"), section)).collect()
}

impl Rig {
    /// Answers as livekit-server does: this section has no track any more, and those have these.
    fn answer_freeing(&mut self, offer: &Offer, freed: &str, tracks: &[(&str, &str)]) {
        let sdp = SdpOffer::from_sdp_string(&offer.sdp).expect("an offer");
        let answer = self.server.sdp_api().accept_offer(sdp).expect("an answer").to_sdp_string();
        let mid = format!("\r\na=mid:{freed}\r\n");
        let sections = answer.split("\r\nm=").map(|section| match section.contains(&mid) {
            true => section.replace("a=sendonly", "a=inactive"),
            false => section.to_owned(),
        });
        let sdp = sections.collect::<Vec<_>>().join("\r\nm=");
        let track_of_mid = tracks.iter().map(|(mid, track)| ((*mid).to_owned(), (*track).to_owned()));
        let answer = Answer { id: offer.id, sdp, track_of_mid: track_of_mid.collect() };
        self.peer.accept_answer(answer).expect("accepted");
    }

    fn hears(&mut self, track: &str) {
        self.peer.hear_only([track.to_owned()]);
        self.events.clear();
        let index = self.now.elapsed().as_millis() as u64;
        self.caller_says(index, 7);
        assert!(!self.audio().is_empty(), "{track} is heard");
    }
}

#[test]
fn a_caller_who_is_replaced_again_and_again_is_heard_in_the_sections_of_earlier_ones() {
    let (mut rig, offer) = Rig::offered();
    rig.server.add_local_candidate(Candidate::host(address(THEIRS), "udp").expect("a candidate"));
    let first = audio(&offer)[0].0.clone();
    rig.answer_with(&offer, [(first.clone(), "TR_1".to_owned())].into());
    rig.run(Duration::from_secs(1));
    rig.hears("TR_1");

    // While the section of the first is still taken, the server wants another one for the second.
    rig.peer.want_sections(1);
    let (_, offer) = rig.peer.next_offer().expect("an offer");
    let second = audio(&offer)[1].0.clone();
    rig.answer_freeing(&offer, &first, &[(&second, "TR_2")]);

    // The third has the section of the first, and so on.
    let (mut free, mut taken) = (first.clone(), second);
    for number in 3..20 {
        // As for each of them we are published anew, before their track is there.
        rig.peer.publish(format!("cid-{number}"));
        let (_, offer) = rig.peer.next_offer().expect("an offer");
        rig.answer_freeing(&offer, &taken, &[]);

        let track = &format!("TR_{number}");
        rig.peer.want_sections(0);
        let (_, offer) = rig.peer.next_offer().expect("the server waits for one");
        let sections = audio(&offer);
        let offered = sections.iter().find(|(mid, _)| *mid == free).map(|(_, section)| *section);
        assert!(offered.is_some_and(|section| section.contains("a=recvonly")), "{track}: {offered:?}");
        rig.answer_freeing(&offer, &taken, &[(&free, track)]);
        if free == first {
            rig.hears(track);
        }
        std::mem::swap(&mut free, &mut taken);
    }
}

#[test]
fn a_server_that_is_never_content_is_not_answered_for_ever() {
    let mut rig = Rig::joined();
    let mut offers = 0;
    while offers < 100 {
        rig.peer.want_sections(0);
        let Some((_, offer)) = rig.peer.next_offer() else { break };
        rig.answer(&offer);
        offers += 1;
    }
    assert_eq!(offers, 8);
}
