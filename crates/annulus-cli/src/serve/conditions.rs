//! Conditional requests: whether who asks has the file already (RFC 9110, 13).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::header::{
    HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE,
};

/// What a file is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// With its quotes. Strong: of other content it is another.
    pub etag: String,
    /// Whole seconds since 1970, if it was changed since then.
    pub modified_s: Option<u64>,
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The file.
    Send,
    /// 304: who asks has it.
    NotModified,
    /// 412: it is not the one that was meant.
    Failed,
}

/// The text of a date.
pub fn date(seconds: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// What the conditions of a request come to, in the order of the standard.
pub fn judge(headers: &HeaderMap, version: &Version) -> Outcome {
    if headers.contains_key(IF_MATCH) {
        if !any_tag(headers, IF_MATCH, |tag| tag == version.etag) {
            return Outcome::Failed;
        }
    } else if let (Some(limit), Some(modified)) =
        (seconds(headers, &IF_UNMODIFIED_SINCE), version.modified_s)
        && modified > limit
    {
        return Outcome::Failed;
    }
    if headers.contains_key(IF_NONE_MATCH) {
        let is_it = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag) == version.etag;
        if any_tag(headers, IF_NONE_MATCH, is_it) {
            return Outcome::NotModified;
        }
    } else if let (Some(limit), Some(modified)) =
        (seconds(headers, &IF_MODIFIED_SINCE), version.modified_s)
        && modified <= limit
    {
        return Outcome::NotModified;
    }
    Outcome::Send
}

/// Whether a range may be answered: always, unless it is to be of another version.
pub fn may_send_part(headers: &HeaderMap, version: &Version) -> bool {
    let Some(value) = headers.get(IF_RANGE) else { return true };
    let Ok(value) = value.to_str() else { return false };
    let value = value.trim();
    if value.starts_with('"') {
        return value == version.etag;
    }
    // A date stands for a version only if it is exactly that one's.
    let at = httpdate::parse_http_date(value).ok().and_then(since_1970);
    at.is_some() && at == version.modified_s
}

/// Whether one of the tags of a field is meant; `*` means any.
fn any_tag(headers: &HeaderMap, name: HeaderName, is_it: impl Fn(&str) -> bool) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    // A comma within a tag cuts it in two, and ours have none.
    tags.any(|tag| tag == "*" || is_it(tag))
}

/// The date of a field. What is no date counts as none.
fn seconds(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let text = headers.get(name)?.to_str().ok()?;
    since_1970(httpdate::parse_http_date(text).ok()?)
}

fn since_1970(time: SystemTime) -> Option<u64> {
    time.duration_since(UNIX_EPOCH).ok().map(|span| span.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: u64 = 1_700_000_000;

    fn version() -> Version {
        Version { etag: "\"a-1\"".to_owned(), modified_s: Some(AT) }
    }

    fn headers(fields: &[(&'static str, String)]) -> HeaderMap {
        let fields = fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value")));
        fields.collect()
    }

    fn outcome(fields: &[(&'static str, &str)]) -> Outcome {
        let fields: Vec<_> = fields.iter().map(|&(name, value)| (name, value.to_owned())).collect();
        judge(&headers(&fields), &version())
    }

    #[test]
    fn tags_are_compared() {
        assert_eq!(outcome(&[]), Outcome::Send);
        assert_eq!(outcome(&[("if-none-match", "\"a-1\"")]), Outcome::NotModified);
        assert_eq!(outcome(&[("if-none-match", "W/\"a-1\"")]), Outcome::NotModified);
        assert_eq!(outcome(&[("if-none-match", "\"b\", \"a-1\"")]), Outcome::NotModified);
        assert_eq!(outcome(&[("if-none-match", "*")]), Outcome::NotModified);
        assert_eq!(outcome(&[("if-none-match", "\"b\"")]), Outcome::Send);
        assert_eq!(outcome(&[("if-match", "\"a-1\"")]), Outcome::Send);
        assert_eq!(outcome(&[("if-match", "*")]), Outcome::Send);
        assert_eq!(outcome(&[("if-match", "W/\"a-1\"")]), Outcome::Failed);
        assert_eq!(outcome(&[("if-match", "\"b\"")]), Outcome::Failed);
    }

    #[test]
    fn dates_are_compared_where_there_is_no_tag() {
        let (before, at, after) = (date(AT - 1), date(AT), date(AT + 1));
        assert_eq!(outcome(&[("if-modified-since", &before)]), Outcome::Send);
        assert_eq!(outcome(&[("if-modified-since", &at)]), Outcome::NotModified);
        assert_eq!(outcome(&[("if-modified-since", &after)]), Outcome::NotModified);
        assert_eq!(outcome(&[("if-modified-since", "yesterday")]), Outcome::Send);
        assert_eq!(outcome(&[("if-unmodified-since", &before)]), Outcome::Failed);
        assert_eq!(outcome(&[("if-unmodified-since", &at)]), Outcome::Send);
        let both = [("if-none-match", "\"b\""), ("if-modified-since", &at)];
        assert_eq!(outcome(&both), Outcome::Send);
        let both = [("if-match", "\"a-1\""), ("if-unmodified-since", &before)];
        assert_eq!(outcome(&both), Outcome::Send);
    }

    #[test]
    fn a_range_is_of_the_version_that_it_names() {
        for (value, may) in [
            ("\"a-1\"".to_owned(), true),
            ("W/\"a-1\"".to_owned(), false),
            ("\"b\"".to_owned(), false),
            (date(AT), true),
            (date(AT + 1), false),
            ("?".to_owned(), false),
        ] {
            let headers = headers(&[("if-range", value.clone())]);
            assert_eq!(may_send_part(&headers, &version()), may, "{value}");
        }
        assert!(may_send_part(&HeaderMap::new(), &version()));
    }
}
