//! The payload of a message that was taken in: a short one lies where its outcome does, a longer one in a vector.
//! Not here: where it comes from (`link`), and how a value is made of it (`portable`).
//! Layer 2: plain data.

use std::fmt;

/// Longest short payload: as many bytes as there are in one line of a ring, behind the head of a record.
pub(crate) const SHORT_MAX_BYTES: usize = 48;

/// Bytes of a message, private to this process.
pub struct Received {
    /// As many bytes as lie in one line of a ring: copied all at once, whatever the length.
    short: [u8; SHORT_MAX_BYTES],
    /// How many of them count; none if the payload is in the vector.
    short_bytes: Option<u8>,
    long: Vec<u8>,
}

impl Received {
    /// The room for a short payload of this length, which the caller fills; `None` if it would be too long.
    #[inline]
    pub(crate) fn short(&mut self, length_bytes: usize) -> Option<&mut [u8; SHORT_MAX_BYTES]> {
        if length_bytes > SHORT_MAX_BYTES {
            return None;
        }
        self.short_bytes = u8::try_from(length_bytes).ok();
        Some(&mut self.short)
    }

    /// The vector for a payload of any length.
    #[inline]
    pub(crate) fn long(&mut self) -> &mut Vec<u8> {
        self.short_bytes = None;
        &mut self.long
    }

    /// The payload.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match self.short_bytes {
            Some(length_bytes) => &self.short[..usize::from(length_bytes).min(SHORT_MAX_BYTES)],
            None => &self.long,
        }
    }

    /// Takes the payload out, without a copy if it lies in a vector.
    #[inline]
    pub(crate) fn take(&mut self) -> Vec<u8> {
        match self.short_bytes {
            Some(_) => self.bytes().to_vec(),
            None => std::mem::take(&mut self.long),
        }
    }

    /// Whether there is a vector that something else may use.
    #[inline]
    pub(crate) fn has_spare(&self) -> bool {
        self.long.capacity() > 0
    }

    /// Takes that vector.
    pub(crate) fn take_spare(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.long)
    }
}

impl Default for Received {
    #[inline]
    fn default() -> Self {
        Self { short: [0; SHORT_MAX_BYTES], short_bytes: None, long: Vec::new() }
    }
}

impl From<Vec<u8>> for Received {
    #[inline]
    fn from(long: Vec<u8>) -> Self {
        Self { long, ..Self::default() }
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Received").field(&self.bytes()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_payloads_are_told_apart_whatever_came_before() {
        let mut received = Received::default();
        assert_eq!(received.bytes(), b"");
        *received.short(3).unwrap() = [7; SHORT_MAX_BYTES];
        assert_eq!(received.bytes(), [7; 3]);
        received.long().extend([1, 2]);
        assert_eq!(received.bytes(), [1, 2]);
        *received.short(SHORT_MAX_BYTES).unwrap() = [8; SHORT_MAX_BYTES];
        assert_eq!(received.take(), [8; SHORT_MAX_BYTES]);
        assert!(received.short(SHORT_MAX_BYTES + 1).is_none());
        assert_eq!(received.long(), &[1, 2]);
        assert_eq!(received.take(), [1, 2], "the vector itself");
        assert_eq!(received.bytes(), b"");
    }
}
