//! What a file is, by the end of its name.

/// What is said of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type {
    /// As HTTP says it.
    pub name: &'static str,
    /// Whether compressing it gains anything, so that a compressed sibling is looked for.
    pub is_compressible: bool,
}

/// A table: text is UTF-8, as all of today's web is.
macro_rules! types {
    ($($name:literal, $is_compressible:literal: $($end:literal)*;)*) => {
        /// The type of what ends so, in lower case.
        fn by_end(end: &[u8]) -> Option<Type> {
            Some(match end {
                $($($end)|* => Type { name: $name, is_compressible: $is_compressible },)*
                _ => return None,
            })
        }
    };
}

types! {
    "text/html; charset=utf-8", true: b"html" b"htm";
    "text/css; charset=utf-8", true: b"css";
    "text/javascript; charset=utf-8", true: b"js" b"mjs" b"cjs";
    "text/plain; charset=utf-8", true: b"txt" b"text" b"log" b"conf" b"ini" b"rs" b"c" b"h" b"py"
        b"sh" b"toml";
    "text/markdown; charset=utf-8", true: b"md" b"markdown";
    "text/csv; charset=utf-8", true: b"csv";
    "text/tab-separated-values; charset=utf-8", true: b"tsv";
    "text/calendar; charset=utf-8", true: b"ics";
    "text/vtt; charset=utf-8", true: b"vtt";
    "text/vcard; charset=utf-8", true: b"vcf";
    "application/json", true: b"json" b"map" b"ipynb";
    "application/ld+json", true: b"jsonld";
    "application/geo+json", true: b"geojson";
    "application/manifest+json", true: b"webmanifest";
    "application/xml", true: b"xml" b"xsl" b"xsd";
    "application/xhtml+xml", true: b"xhtml" b"xht";
    "application/atom+xml", true: b"atom";
    "application/rss+xml", true: b"rss";
    "application/yaml", true: b"yaml" b"yml";
    "application/wasm", true: b"wasm";
    "application/pdf", false: b"pdf";
    "application/rtf", true: b"rtf";
    "application/postscript", true: b"ps" b"eps";
    "application/epub+zip", false: b"epub";
    "application/zip", false: b"zip" b"whl";
    "application/java-archive", false: b"jar";
    "application/gzip", false: b"gz" b"tgz";
    "application/zstd", false: b"zst";
    "application/x-bzip2", false: b"bz2";
    "application/x-xz", false: b"xz";
    "application/x-tar", true: b"tar";
    "application/x-7z-compressed", false: b"7z";
    "application/vnd.rar", false: b"rar";
    "application/vnd.debian.binary-package", false: b"deb";
    "application/x-rpm", false: b"rpm";
    "application/vnd.android.package-archive", false: b"apk";
    "application/msword", true: b"doc";
    "application/vnd.ms-excel", true: b"xls";
    "application/vnd.ms-powerpoint", true: b"ppt";
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document", false: b"docx";
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", false: b"xlsx";
    "application/vnd.openxmlformats-officedocument.presentationml.presentation", false: b"pptx";
    "application/vnd.oasis.opendocument.text", false: b"odt";
    "application/vnd.oasis.opendocument.spreadsheet", false: b"ods";
    "image/svg+xml", true: b"svg";
    "image/png", false: b"png";
    "image/apng", false: b"apng";
    "image/jpeg", false: b"jpg" b"jpeg" b"jfif";
    "image/gif", false: b"gif";
    "image/webp", false: b"webp";
    "image/avif", false: b"avif";
    "image/jxl", false: b"jxl";
    "image/heic", false: b"heic";
    "image/bmp", true: b"bmp";
    "image/tiff", false: b"tif" b"tiff";
    "image/vnd.microsoft.icon", true: b"ico";
    "font/woff", false: b"woff";
    "font/woff2", false: b"woff2";
    "font/ttf", true: b"ttf";
    "font/otf", true: b"otf";
    "audio/mpeg", false: b"mp3";
    "audio/mp4", false: b"m4a";
    "audio/aac", false: b"aac";
    "audio/ogg", false: b"ogg" b"oga" b"opus";
    "audio/flac", false: b"flac";
    "audio/wav", true: b"wav";
    "audio/midi", true: b"mid" b"midi";
    "video/mp4", false: b"mp4" b"m4v";
    "video/webm", false: b"webm";
    "video/ogg", false: b"ogv";
    "video/mpeg", false: b"mpeg" b"mpg";
    "video/quicktime", false: b"mov";
    "video/x-matroska", false: b"mkv";
    "video/mp2t", false: b"ts";
    "application/vnd.apple.mpegurl", true: b"m3u8";
    "application/dash+xml", true: b"mpd";
}

/// What nothing is known of: browsers save it, and do not guess.
const UNKNOWN: Type = Type { name: "application/octet-stream", is_compressible: false };

/// The type of the file at `path`.
pub fn of(path: &[u8]) -> Type {
    const END_BYTES: usize = 11;
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    let Some(dot) = name.iter().rposition(|&byte| byte == b'.') else { return UNKNOWN };
    let end = &name[dot + 1..];
    let mut lower = [0; END_BYTES];
    let Some(lower) = lower.get_mut(..end.len()) else { return UNKNOWN };
    lower.copy_from_slice(end);
    lower.make_ascii_lowercase();
    by_end(lower).unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_name_says_it() {
        assert_eq!(of(b"index.html").name, "text/html; charset=utf-8");
        assert_eq!(of(b"a.b/IMAGE.PNG").name, "image/png");
        assert_eq!(of(b"a.tar.gz").name, "application/gzip");
        assert_eq!(of(b"site.webmanifest").name, "application/manifest+json");
        for unknown in [&b"a"[..], b"a.", b"a.html/b", b"html", b"a.extension-too-long", b""] {
            assert_eq!(of(unknown), UNKNOWN);
        }
        assert!(of(b"a.svg").is_compressible && !of(b"a.woff2").is_compressible);
    }
}
