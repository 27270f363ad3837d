//! What is unused stays told apart behind every adapter, and is zero in every image.

use std::io;

use osb_sink::{Counting, Sink, Tee, Threaded, WriteSink};

#[derive(Debug, Default, PartialEq)]
struct Seen(Vec<(&'static str, u64)>);

impl Sink for Seen {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.push(("data", bytes.len() as u64));
        Ok(())
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.0.push(("zeros", len));
        Ok(())
    }

    fn unused(&mut self, len: u64) -> io::Result<()> {
        self.0.push(("unused", len));
        Ok(())
    }
}

#[test]
fn every_adapter_hands_it_on() {
    let (mut left, mut right) = (Seen::default(), Seen::default());
    let mut threaded = Threaded::start("test", Seen::default()).unwrap();
    {
        let mut counting = Counting::new(&mut right);
        let mut tee = Tee(vec![&mut left, &mut counting, &mut threaded]);
        tee.data(b"abc").unwrap();
        tee.unused(5).unwrap();
        tee.zeros(2).unwrap();
        assert_eq!((counting.position(), counting.zero_bytes()), (10, 7));
    }
    let expected = Seen(vec![("data", 3), ("unused", 5), ("zeros", 2)]);
    assert_eq!(left, expected);
    assert_eq!(right, expected);
    assert_eq!(threaded.finish().unwrap(), expected);
}

#[test]
fn a_sink_that_does_not_care_gets_zeroes() {
    let mut sink = WriteSink::new(Vec::new());
    sink.data(b"a").unwrap();
    sink.unused(2).unwrap();
    assert_eq!(sink.into_inner(), b"a\0\0");
}
