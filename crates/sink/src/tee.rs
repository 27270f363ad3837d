//! One stream into several sinks.

use std::io;

use crate::Sink;

/// Hands everything to each sink in turn; the first error ends it.
///
/// After an error the sinks have seen different lengths, so none of them may be finished.
pub struct Tee<'a>(pub Vec<&'a mut dyn Sink>);

impl Sink for Tee<'_> {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.iter_mut().try_for_each(|sink| sink.data(bytes))
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.0.iter_mut().try_for_each(|sink| sink.zeros(len))
    }

    fn unused(&mut self, len: u64) -> io::Result<()> {
        self.0.iter_mut().try_for_each(|sink| sink.unused(len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WriteSink;

    #[test]
    fn all_see_the_same() {
        let mut one = WriteSink::new(Vec::new());
        let mut two = WriteSink::new(Vec::new());
        let mut tee = Tee(vec![&mut one, &mut two]);
        tee.data(b"a").unwrap();
        tee.zeros(2).unwrap();
        assert_eq!(one.into_inner(), b"a\0\0");
        assert_eq!(two.into_inner(), b"a\0\0");
    }

    #[test]
    fn an_error_of_one_is_an_error_of_all() {
        let mut room = [0; 1];
        let mut full = WriteSink::new(&mut room[..]);
        let mut other = WriteSink::new(Vec::new());
        assert!(Tee(vec![&mut other, &mut full]).data(b"ab").is_err());
    }
}
