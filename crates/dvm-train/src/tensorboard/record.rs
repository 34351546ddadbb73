//! TFRecord, the container format of event files.

use crc::{CRC_32_ISCSI, Crc, Table};

/// CRC-32C (Castagnoli), RFC 3720.
const CASTAGNOLI: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// `data` as one record: length (u64), masked checksum of the length, data, masked checksum of the
/// data; all little-endian.
pub(super) fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend_from_slice(&length);
    record.extend_from_slice(&masked(checksum(&length)).to_le_bytes());
    record.extend_from_slice(data);
    record.extend_from_slice(&masked(checksum(data)).to_le_bytes());
    record
}

fn checksum(bytes: &[u8]) -> u32 {
    CASTAGNOLI.checksum(bytes)
}

/// The masking of the format: a checksum of data that contains checksums would be weak.
fn masked(checksum: u32) -> u32 {
    checksum.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, appendix B.4; bytes in the order in which they are sent.
    #[test]
    fn checksums_are_those_of_rfc_3720() {
        let counted: Vec<u8> = (0..32).collect();
        let reversed: Vec<u8> = (0..32).rev().collect();
        let mut read_command = [0; 48];
        for (position, byte) in [
            (0, 0x01),
            (1, 0xc0),
            (16, 0x14),
            (22, 0x04),
            (27, 0x14),
            (31, 0x18),
            (32, 0x28),
            (40, 0x02),
        ] {
            read_command[position] = byte;
        }
        for (bytes, sent) in [
            (&[0; 32][..], [0xaa, 0x36, 0x91, 0x8a]),
            (&[0xff; 32][..], [0x43, 0xab, 0xa8, 0x62]),
            (&counted[..], [0x4e, 0x79, 0xdd, 0x46]),
            (&reversed[..], [0x5c, 0xdb, 0x3f, 0x11]),
            (&read_command[..], [0x56, 0x3a, 0x96, 0xd9]),
        ] {
            assert_eq!(checksum(bytes).to_le_bytes(), sent);
        }
    }
}
