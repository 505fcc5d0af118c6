//! What a start can know of the write-ahead log: whether SQLite recovers less of it than was committed to it.
//!
//! The file begins with 32 bytes (magic, version, page size, checkpoint number, two salts, two checksums), then come frames of 24 bytes
//! and a page each. A frame that ends a transaction holds the size of the database, which is not zero. SQLite counts frames up to the
//! last one that ends a transaction and whose checksum, over everything before it, holds.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use rusqlite::Connection;

use crate::place::beside;

const HEADER: usize = 32;
const FRAME_HEADER: u64 = 24;
/// The lowest bit says in which byte order checksums are computed.
const MAGIC: u32 = 0x377f_0682;

/// What the file says by itself, before SQLite has opened it.
pub(super) enum Log {
    /// None, an empty one, or one that is too short for a frame.
    Empty,
    /// The header does not hold, so that SQLite passes everything over.
    BadHeader,
    /// The number of the last frame of this log, from 1, that ends a transaction; 0: none does.
    Ends(u64),
}

impl Log {
    /// Reads the log of the database at `path`.
    pub(super) fn read(path: &Path) -> std::io::Result<Self> {
        let mut file = match File::open(beside(path, "-wal")) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::Empty),
            opened => opened?,
        };
        let size = file.metadata()?.len();
        if size <= HEADER as u64 {
            return Ok(Self::Empty);
        }
        let mut header = [0; HEADER];
        file.read_exact(&mut header)?;
        let words = words::<8>(&header);
        let [magic, _, page, _, salt_1, salt_2, sum_1, sum_2] = words;
        if magic & !1 != MAGIC || checksum(&header, magic & 1 == 1) != (sum_1, sum_2) {
            return Ok(Self::BadHeader);
        }
        let frame = FRAME_HEADER + if page == 1 { 65_536 } else { u64::from(page) };
        let mut last = 0;
        for number in 1..=(size - HEADER as u64) / frame {
            file.seek(SeekFrom::Start(HEADER as u64 + (number - 1) * frame))?;
            let mut head = [0; 16];
            file.read_exact(&mut head)?;
            let [_, database_pages, frame_salt_1, frame_salt_2] = self::words::<4>(&head);
            if database_pages != 0 && (frame_salt_1, frame_salt_2) == (salt_1, salt_2) {
                last = number;
            }
        }
        Ok(Self::Ends(last))
    }

    /// What of the committed log `connection`, which has just opened the database, does not recover; `None`: nothing that can be known.
    pub(super) fn loss(&self, connection: &Connection) -> rusqlite::Result<Option<String>> {
        // The first answer of a connection is what it recovered; nothing has been written since.
        let recovered: i64 = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |row| row.get(1))?;
        let recovered = recovered.max(0).unsigned_abs();
        Ok(match self {
            Self::Empty => None,
            Self::Ends(last) if *last <= recovered => None,
            Self::BadHeader => Some("its header was altered, so that nothing of it is recovered".to_owned()),
            Self::Ends(last) => Some(format!(
                "it was altered: the first {recovered} frames are recovered, and frame {last} ends a transaction"
            )),
        })
    }

    /// Logs for the operator what of the log of the database at `path` is lost.
    pub(super) fn report(&self, connection: &Connection, path: &Path) -> rusqlite::Result<()> {
        if let Some(what) = self.loss(connection)? {
            tracing::error!(
                file = %beside(path, "-wal").display(),
                what,
                advice = "Events that were acknowledged last may be missing: compare them with what OpenCRVS has sent, and post those again.",
                "the log of the database is damaged"
            );
        }
        Ok(())
    }
}

/// Big-endian words.
fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    words
}

/// The checksum of the header over its first six words.
fn checksum(header: &[u8; HEADER], big_endian: bool) -> (u32, u32) {
    let order = |word: u32| if big_endian { word } else { word.swap_bytes() };
    let words: [u32; 6] = words(header);
    words.as_chunks::<2>().0.iter().fold((0_u32, 0_u32), |(first, second), [one, two]| {
        let first = first.wrapping_add(order(*one)).wrapping_add(second);
        (first, second.wrapping_add(order(*two)).wrapping_add(first))
    })
}
