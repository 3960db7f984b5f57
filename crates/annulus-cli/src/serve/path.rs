//! What a request's path names below the directory, and what it may not name.

/// Why a path names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is not a path: a `%` without its two digits.
    Malformed,
    /// Nothing is served by such a name.
    Unserved,
}

/// A path below the directory.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// Relative, without `.` and `..`; `.` for the directory itself.
    pub path: Vec<u8>,
    /// Whether it ends in a slash, and so names a directory.
    pub is_dir: bool,
}

/// Decodes the path of a request. `hidden`: names that begin with a dot are served, too.
///
/// The kernel keeps the walk inside (`RESOLVE_BENEATH`); this refuses what cannot be a name, so
/// that there is one path for each file: empty parts, `.` and `..`, slashes and zero bytes in a
/// name.
pub fn decode(path: &str, hidden: bool) -> Result<Target, Refused> {
    let rest = path.strip_prefix('/').ok_or(Refused::Unserved)?;
    let mut target = Target { path: Vec::with_capacity(rest.len() + 4), is_dir: false };
    if rest.is_empty() {
        target.path.push(b'.');
        target.is_dir = true;
        return Ok(target);
    }
    let rest = match rest.strip_suffix('/') {
        Some(rest) => {
            target.is_dir = true;
            rest
        }
        None => rest,
    };
    for part in rest.split('/') {
        if !target.path.is_empty() {
            target.path.push(b'/');
        }
        let start = target.path.len();
        decode_part(part.as_bytes(), &mut target.path)?;
        let name = &target.path[start..];
        let is_hidden = name.first() == Some(&b'.') && !hidden;
        if name.is_empty() || is_hidden || name == b"." || name == b".." {
            return Err(Refused::Unserved);
        }
        if name.iter().any(|&byte| byte == 0 || byte == b'/') {
            return Err(Refused::Unserved);
        }
    }
    Ok(target)
}

/// Appends a part, its `%XX` as the bytes that they stand for.
fn decode_part(part: &[u8], to: &mut Vec<u8>) -> Result<(), Refused> {
    if !part.contains(&b'%') {
        to.extend_from_slice(part);
        return Ok(());
    }
    let digit = |at: usize| part.get(at).and_then(|&byte| (byte as char).to_digit(16));
    let mut at = 0;
    while let Some(&byte) = part.get(at) {
        if byte != b'%' {
            to.push(byte);
            at += 1;
            continue;
        }
        let (Some(high), Some(low)) = (digit(at + 1), digit(at + 2)) else {
            return Err(Refused::Malformed);
        };
        to.push((high << 4 | low) as u8);
        at += 3;
    }
    Ok(())
}

/// A name as a part of a path.
pub fn encode(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for &byte in name {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(byte as char);
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<(String, bool), Refused> {
        let target = decode(text, false)?;
        Ok((String::from_utf8(target.path).unwrap(), target.is_dir))
    }

    #[test]
    fn a_path_is_one_below() {
        let ok = |text: &str, is_dir| Ok((text.to_owned(), is_dir));
        assert_eq!(path("/"), ok(".", true));
        assert_eq!(path("/a.txt"), ok("a.txt", false));
        assert_eq!(path("/a/b%20c/"), ok("a/b c", true));
        assert_eq!(path("/%61%2E%c3%a4"), ok("a.ä", false));
        assert_eq!(path("/a..b/..."), Err(Refused::Unserved));
        assert_eq!(decode("/.a/...", true).unwrap().path, b".a/...");
    }

    #[test]
    fn what_leads_out_names_nothing() {
        let out = [
            "",
            "*",
            "a",
            "//",
            "//etc",
            "/a//b",
            "/..",
            "/../a",
            "/a/../b",
            "/a/..",
            "/./a",
            "/.a",
            "/%2e%2e/a",
            "/%2E./a",
            "/a%2fb",
            "/%2fetc/passwd",
            "/a%00",
            "/a%00.html",
        ];
        for text in out {
            assert_eq!(path(text), Err(Refused::Unserved), "{text}");
            if !text.contains(".a") {
                assert_eq!(decode(text, true), Err(Refused::Unserved), "{text}");
            }
        }
        for text in ["/%", "/%2", "/%zz", "/a%-1", "/%2/"] {
            assert_eq!(path(text), Err(Refused::Malformed), "{text}");
        }
    }

    #[test]
    fn an_encoded_name_is_the_name() {
        let all: Vec<u8> = (1..=255).filter(|&byte| byte != b'/').collect();
        let text = format!("/x{}", encode(&all));
        assert_eq!(decode(&text, false).unwrap().path[1..], all);
    }
}
