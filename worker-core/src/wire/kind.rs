//! The kinds of messages on a link.
//! Not here: what follows from each (`calls`, `actor::backend`).
//! Layer 2: plain data.

/// What a message is. The numbers are part of the link protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// To the backend: make the actor. The payload is the constructor enum.
    Construct = 1,
    /// To the backend: run a method and reply. The payload is the request enum.
    Request = 2,
    /// To the backend: run a method, no reply.
    OneWay = 3,
    /// To the backend: run a generic method and reply. The payload is its entry and its arguments.
    GenericRequest = 4,
    /// To the backend: run a generic method, no reply.
    GenericOneWay = 5,
    /// To the backend: end in order.
    Stop = 6,
    /// To the backend: run the `#[activate]` hook, and reply. No payload.
    Activate = 12,
    /// To the backend: run the `#[deactivate]` hook, and reply. No payload.
    Deactivate = 13,
    /// To the frontend: the value that a method returned, or that the actor is made.
    #[default]
    Returned = 7,
    /// To the frontend: the error that a method or constructor returned.
    Failed = 8,
    /// To the frontend: a panic report.
    Panicked = 9,
    /// To the frontend: the result could not be encoded.
    NotEncoded = 10,
    /// To the frontend: the arguments could not be decoded.
    NotDecoded = 11,
}

impl Kind {
    /// The kind with this number.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Construct,
            2 => Self::Request,
            3 => Self::OneWay,
            4 => Self::GenericRequest,
            5 => Self::GenericOneWay,
            6 => Self::Stop,
            7 => Self::Returned,
            8 => Self::Failed,
            9 => Self::Panicked,
            10 => Self::NotEncoded,
            11 => Self::NotDecoded,
            12 => Self::Activate,
            13 => Self::Deactivate,
            _ => return None,
        })
    }
}
