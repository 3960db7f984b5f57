//! An initial file system for a kernel: an archive in the "newc" form of cpio(5).
//!
//! Written by hand: it is a header of thirteen numbers per file, and cpio(1) is not everywhere.

/// An archive that grows.
pub struct Archive {
    bytes: Vec<u8>,
    files: u32,
}

/// A directory that all may read.
const DIRECTORY: u32 = 0o040_755;
/// A program.
const PROGRAM: u32 = 0o100_755;
/// A device of characters that its owner may use.
const CHARACTERS: u32 = 0o020_600;

impl Archive {
    /// An empty archive.
    pub fn new() -> Self {
        Self { bytes: Vec::new(), files: 0 }
    }

    /// Adds the directory `path` (no leading slash), after those above it.
    pub fn directory(&mut self, path: &str) {
        self.entry(path, DIRECTORY, (0, 0), &[]);
    }

    /// Adds a file that may be run.
    pub fn program(&mut self, path: &str, content: &[u8]) {
        self.entry(path, PROGRAM, (0, 0), content);
    }

    /// Adds a device of characters.
    pub fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.entry(path, CHARACTERS, (major, minor), &[]);
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        self.files += 1;
        let length = u32::try_from(content.len()).expect("a file of less than 4 GiB");
        let name_length = path.len() as u32 + 1;
        // inode, mode, uid, gid, links, time, length, device (2), the device it is (2), name, sum.
        let head = [self.files, mode, 0, 0, 1, 0, length, 0, 0, device.0, device.1, name_length, 0];
        self.bytes.extend_from_slice(b"070701");
        for number in head {
            self.bytes.extend_from_slice(format!("{number:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    /// Names and contents begin at multiples of 4.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[test]
    fn an_archive_has_headers_names_and_contents() {
        let mut archive = Archive::new();
        archive.directory("d");
        archive.program("d/x", b"12345");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        // 6 bytes of magic and 13 times 8: the name follows, padded.
        assert_eq!((&bytes[..6], &bytes[110..112]), (&b"070701"[..], &b"d\0"[..]));
        let second = &bytes[112..];
        assert_eq!(&second[..6], b"070701");
        assert_eq!(&second[14..22], b"000081ed");
        assert_eq!(&second[54..62], b"00000005");
        assert_eq!(&second[110..114], b"d/x\0");
        assert_eq!(&second[116..121], b"12345");
        assert!(bytes.windows(11).any(|w| w == b"TRAILER!!!\0"));
    }
}
