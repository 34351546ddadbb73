//! TensorBoard's messages in protobuf's wire format, each field in the order of its number.
//!
//! Fields and numbers are those of `event.proto`, `summary.proto` and `tensor.proto` in
//! <https://github.com/tensorflow/tensorboard/tree/master/tensorboard/compat/proto>. As in proto3,
//! a number that is zero is not written, unless it is the chosen one of several alternatives
//! (`oneof`).

/// The first version in which TensorBoard supports [`EventKind::Start`].
const FILE_VERSION: &str = "brain.Event:2";

/// The content of an event.
pub(super) enum EventKind<'a> {
    /// The first record of every file.
    Version,
    /// A run is resumed: earlier events from this step on are invalid.
    Start,
    Scalar {
        tag: &'a str,
        value: f32,
    },
    /// A PNG of the given size in pixels.
    Image {
        tag: &'a str,
        png: &'a [u8],
        width: u32,
        height: u32,
    },
    Text {
        tag: &'a str,
        markdown: &'a str,
    },
}

/// An `Event` at `step` and `wall_time`, in seconds since 1970.
pub(super) fn event(wall_time: f64, step: u64, what: &EventKind) -> Vec<u8> {
    let mut event = Message::default();
    if wall_time != 0.0 {
        event.double(1, wall_time);
    }
    event.integer_unless_zero(2, step);
    match what {
        EventKind::Version => event.bytes(3, FILE_VERSION.as_bytes()),
        EventKind::Start => event.message(7, |session_log| {
            session_log.integer(1, 1); // status: START
        }),
        EventKind::Scalar { tag, value } => event.summary(tag, |summary| summary.float(2, *value)),
        EventKind::Image {
            tag,
            png,
            width,
            height,
        } => event.summary(tag, |summary| {
            summary.message(4, |image| {
                image.integer_unless_zero(1, u64::from(*height));
                image.integer_unless_zero(2, u64::from(*width));
                image.integer(3, 3); // colour space: RGB
                image.bytes(4, png);
            });
        }),
        EventKind::Text { tag, markdown } => event.summary(tag, |summary| {
            summary.message(8, |tensor| {
                tensor.integer(1, 7); // type: strings
                tensor.message(2, |shape| {
                    shape.message(2, |dimension| dimension.integer(1, 1));
                });
                tensor.bytes(8, markdown.as_bytes());
            });
            summary.message(9, |metadata| {
                metadata.message(1, |plugin| plugin.bytes(1, b"text"))
            });
        }),
    }
    event.0
}

/// The bytes of a message.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    /// Field 5 of an event: a `Summary` with one `Value` named `tag`; `fill` writes its other fields.
    fn summary(&mut self, tag: &str, fill: impl FnOnce(&mut Message)) {
        self.message(5, |summary| {
            summary.message(1, |value| {
                value.bytes(1, tag.as_bytes());
                fill(value);
            });
        });
    }

    fn message(&mut self, field: u64, fill: impl FnOnce(&mut Message)) {
        let mut message = Message::default();
        fill(&mut message);
        self.bytes(field, &message.0);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.varint(field << 3 | 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn float(&mut self, field: u64, value: f32) {
        self.varint(field << 3 | 5);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn integer_unless_zero(&mut self, field: u64, value: u64) {
        if value != 0 {
            self.integer(field, value);
        }
    }

    fn integer(&mut self, field: u64, value: u64) {
        self.varint(field << 3);
        self.varint(value);
    }

    /// Seven bits per byte, lowest first; the eighth bit is set if more bytes follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}
