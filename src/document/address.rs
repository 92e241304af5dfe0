use url::Url;

use super::shown;

/// An address of one of these schemes, with a host, and without a user name or password.
pub fn parse_address(text: &str, schemes: &[&str]) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plausible = schemes.contains(&url.scheme())
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none();
    plausible.then_some(url)
}

/// An address as messages show it. User names, passwords and queries hold keys, so then nothing is shown; and
/// what is no address at all may be a key that was put in the wrong place.
pub fn shown_address(text: &str) -> String {
    if !text.contains("://") {
        "something that is no address (not shown)".to_owned()
    } else if text.contains(['@', '?', '#']) {
        "an address with more than host and path (not shown)".to_owned()
    } else {
        shown(text)
    }
}
