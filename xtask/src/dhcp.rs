//! What a guest says to DHCP, in the packets that QEMU kept (`-object filter-dump`).

use anyhow::{Context, Result, bail};

/// Length of a pcap file's header, and of each packet's.
const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;
/// What DHCP's options begin with (RFC 2131, section 3).
const COOKIE: [u8; 4] = [0x63, 0x82, 0x53, 0x63];
/// DHCP options (RFC 2132, sections 3.14 and 9.6).
const HOST_NAME: u8 = 12;
const MESSAGE_TYPE: u8 = 53;
const DISCOVER: u8 = 1;

/// The host name in the first DHCP DISCOVER of a pcap file, if it has one.
pub(crate) fn first_name(pcap: &[u8]) -> Result<Option<String>> {
    let mut rest = pcap.get(FILE_HEADER..).context("no packets were kept")?;
    while let Some((header, packets)) = rest.split_at_checked(PACKET_HEADER) {
        let len = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
        let (packet, more) = packets.split_at_checked(len).context("a packet that is cut off")?;
        rest = more;
        let Some(at) = packet.windows(4).position(|window| window == COOKIE) else { continue };
        let options = options(&packet[at + COOKIE.len()..]);
        let find = |wanted| options.iter().find(|(code, _)| *code == wanted).map(|(_, data)| data);
        if find(MESSAGE_TYPE).is_some_and(|data| **data == [DISCOVER]) {
            let name = find(HOST_NAME).map(|data| String::from_utf8_lossy(data).into_owned());
            return Ok(name);
        }
    }
    bail!("nobody asked DHCP")
}

/// DHCP options: code and data.
fn options(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let [code @ 1..=254, len, rest @ ..] = bytes {
        let Some((data, rest)) = rest.split_at_checked(usize::from(*len)) else { break };
        found.push((*code, data));
        bytes = rest;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_discover_has_the_name() {
        let packet = |options: &[u8]| {
            let body = [&[0; 50][..], &COOKIE, options].concat();
            let mut packet = vec![0; 8];
            packet.extend((body.len() as u32).to_le_bytes());
            packet.extend([0; 4]);
            [packet, body].concat()
        };
        let discover = [53, 1, 1, 61, 2, 9, 9, 12, 3, b'a', b'b', b'c', 255];
        let offer = [53, 1, 2, 12, 1, b'x', 255];
        let pcap = [vec![0; FILE_HEADER], packet(&offer), packet(&discover)].concat();
        assert_eq!(first_name(&pcap).unwrap().as_deref(), Some("abc"));
        let nameless = [vec![0; FILE_HEADER], packet(&[53, 1, 1, 255])].concat();
        assert_eq!(first_name(&nameless).unwrap(), None);
        assert!(first_name(&pcap[..FILE_HEADER]).is_err());
    }
}
