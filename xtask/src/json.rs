//! A reader of JSON, for what `cargo metadata` and `rustdoc` print.
//!
//! Two documents of known shape do not pay for a dependency. A missing key reads as [`Json::Null`],
//! so that a path into a document is one expression.

use std::collections::BTreeMap;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`, and whatever is not there.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number; the documents read here have none beyond 2⁵³.
    Number(f64),
    /// A string, unescaped.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// Reads one document; the error says at which byte it ends to be JSON.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value()?;
        reader.space();
        if reader.at == text.len() { Ok(value) } else { Err(reader.error("the end")) }
    }

    /// The value of `key`, or null.
    pub fn get(&self, key: &str) -> &Json {
        match self {
            Json::Object(map) => map.get(key).unwrap_or(&Json::Null),
            _ => &Json::Null,
        }
    }

    /// The string, if it is one.
    pub fn str(&self) -> Option<&str> {
        if let Json::String(s) = self { Some(s) } else { None }
    }

    /// The number as a count, or 0.
    pub fn count(&self) -> u64 {
        if let Json::Number(n) = self { *n as u64 } else { 0 }
    }

    /// The elements of an array; none of anything else.
    pub fn items(&self) -> &[Json] {
        if let Json::Array(items) = self { items } else { &[] }
    }

    /// The members of an object; none of anything else.
    pub fn members(&self) -> impl Iterator<Item = (&String, &Json)> {
        let map = if let Json::Object(map) = self { Some(map) } else { None };
        map.into_iter().flatten()
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn error(&self, wanted: &str) -> String {
        format!("JSON: {wanted} expected at byte {}", self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn take(&mut self, literal: &str) -> bool {
        let found = self.text[self.at..].starts_with(literal);
        self.at += if found { literal.len() } else { 0 };
        found
    }

    fn value(&mut self) -> Result<Json, String> {
        self.space();
        match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.take("null") => Ok(Json::Null),
            _ if self.take("true") => Ok(Json::Bool(true)),
            _ if self.take("false") => Ok(Json::Bool(false)),
            _ => Err(self.error("a value")),
        }
    }

    fn object(&mut self) -> Result<Json, String> {
        let mut map = BTreeMap::new();
        self.at += 1;
        self.space();
        while !self.take("}") {
            self.space();
            let key = self.string()?;
            self.space();
            if !self.take(":") {
                return Err(self.error("':'"));
            }
            map.insert(key, self.value()?);
            self.separator("}")?;
        }
        Ok(Json::Object(map))
    }

    fn array(&mut self) -> Result<Json, String> {
        let mut items = Vec::new();
        self.at += 1;
        self.space();
        while !self.take("]") {
            items.push(self.value()?);
            self.separator("]")?;
        }
        Ok(Json::Array(items))
    }

    /// A comma, unless the container ends here.
    fn separator(&mut self, end: &str) -> Result<(), String> {
        self.space();
        if self.text[self.at..].starts_with(end) || self.take(",") {
            Ok(())
        } else {
            Err(self.error("','"))
        }
    }

    fn number(&mut self) -> Result<Json, String> {
        let start = self.at;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        self.text[start..self.at].parse().map(Json::Number).map_err(|_| self.error("a number"))
    }

    fn string(&mut self) -> Result<String, String> {
        if !self.take("\"") {
            return Err(self.error("'\"'"));
        }
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let stop = rest.find(['"', '\\']).ok_or_else(|| self.error("'\"'"))?;
            out.push_str(&rest[..stop]);
            self.at += stop + 1;
            if rest.as_bytes()[stop] == b'"' {
                return Ok(out);
            }
            out.push(self.escape()?);
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char, String> {
        let c = self.peek().ok_or_else(|| self.error("an escape"))?;
        self.at += 1;
        Ok(match c {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => self.unicode()?,
            other => char::from(other),
        })
    }

    /// Four digits, and a second escape where they are the half of a pair.
    fn unicode(&mut self) -> Result<char, String> {
        let high = self.hex4()?;
        if (0xd800..0xdc00).contains(&high) && self.take("\\u") {
            let low = self.hex4()?;
            let code = 0x10000 + ((high - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff);
            return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Result<u32, String> {
        let digits = self.text.get(self.at..self.at + 4).ok_or_else(|| self.error("4 digits"))?;
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| self.error("4 digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::Json;

    #[test]
    fn reads_every_kind_of_value() {
        let text =
            r#" {"a": [1, -2.5e1, true, null, "x\n\"\u00e9\ud83d\ude00é"], "b": {}, "c": []} "#;
        let json = Json::parse(text).unwrap();
        let a = json.get("a").items();
        assert_eq!(a[0].count(), 1);
        assert_eq!(a[1], Json::Number(-25.0));
        assert_eq!((&a[2], &a[3]), (&Json::Bool(true), &Json::Null));
        assert_eq!(a[4].str(), Some("x\n\"é😀é"));
        assert_eq!(json.members().count(), 3);
        assert_eq!(json.get("missing").get("deeper"), &Json::Null);
    }

    #[test]
    fn refuses_what_is_not_json() {
        for text in ["", "{", "[1 2]", "{\"a\" 1}", "\"open", "nul", "1 2", "\"\\u12"] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
    }
}
