//! Every opcode as Python writes it, and malformed pickles.
//!
//! The expected values are those of Python's `pickletools.dis` and `pickle.loads`.

use dvm_pickle::{Container, Document, DocumentError, Error, Limits, Node, Reference};

const LIMITS: Limits = Limits { steps: 10_000 };

/// Reads a pickle that may use the class `m.c` only.
fn read(pickle: &[u8]) -> Result<Document<()>, Error<DocumentError>> {
    Document::read(&mut &pickle[..], LIMITS, |module, name| {
        ((module, name) == ("m", "c")).then_some(())
    })
}

/// A value in Python's notation.
fn shown(document: &Document<()>, reference: Reference) -> String {
    let all = |items: &[Reference]| {
        let items: Vec<String> = items.iter().map(|&item| shown(document, item)).collect();
        items.join(", ")
    };
    match document.node(reference) {
        Node::None => "None".into(),
        Node::Bool(value) => format!("{value}"),
        Node::Int(value) => format!("{value}"),
        Node::Long => "long".into(),
        Node::Float(value) => format!("{value:?}"),
        Node::Text(text) => format!("{text:?}"),
        Node::Bytes(bytes) => format!("b{:?}", String::from_utf8_lossy(bytes)),
        Node::Container(Container::Tuple, items) => format!("({})", all(items)),
        Node::Container(Container::List, items) => format!("[{}]", all(items)),
        Node::Container(_, items) => format!("{{{}}}", all(items)),
        Node::Global(()) => "m.c".into(),
        Node::Object {
            function,
            arguments,
            state,
        } => format!(
            "{}{}{}",
            shown(document, *function),
            shown(document, *arguments),
            state.map_or(String::new(), |state| format!(
                " <- {}",
                shown(document, state)
            ))
        ),
    }
}

fn value(pickle: &[u8]) -> String {
    let document = read(pickle).unwrap_or_else(|error| panic!("{pickle:?}: {error}"));
    shown(&document, document.root())
}

#[test]
fn every_opcode_pushes_what_python_pushes() {
    for (pickle, expected) in [
        (&b"N."[..], "None"),
        (b"\x80\x02\x88.", "true"),
        (b"I01\n.", "true"),
        (b"I00\n.", "false"),
        (b"I-12\n.", "-12"),
        (b"I12\r\n.", "12"),
        (b"L123L\n.", "123"),
        (b"L99999999999999999999L\n.", "long"),
        (b"K\xff.", "255"),
        (b"M\xff\xff.", "65535"),
        (b"J\xff\xff\xff\xff.", "-1"),
        (b"\x8a\x00.", "0"),
        (b"\x8a\x01\xff.", "-1"),
        (b"\x8a\x02\xff\x00.", "255"),
        (b"\x8b\x01\x00\x00\x00\x7f.", "127"),
        (b"\x8a\x09\0\0\0\0\0\0\0\0\x01.", "long"),
        (b"F1.5\n.", "1.5"),
        (b"G\xc0\x04\0\0\0\0\0\0.", "-2.5"),
        (b"S'a\\x00\\n'\n.", "b\"a\\0\\n\""),
        (b"U\x02ab.", "b\"ab\""),
        (b"T\x02\0\0\0ab.", "b\"ab\""),
        (b"Vcaf\xe9\\u20ac\n.", "\"café€\""),
        (b"X\x02\0\0\0ab.", "\"ab\""),
        (b"\x8c\x02ab.", "\"ab\""),
        (b"\x8d\x02\0\0\0\0\0\0\0ab.", "\"ab\""),
        (b"C\x02ab.", "b\"ab\""),
        (b"B\x02\0\0\0ab.", "b\"ab\""),
        (b"\x8e\x02\0\0\0\0\0\0\0ab.", "b\"ab\""),
        (b"\x96\x02\0\0\0\0\0\0\0ab.", "b\"ab\""),
        (b"K\x01K\x02K\x03\x87.", "(1, 2, 3)"),
        (b"K\x01K\x02\x86.", "(1, 2)"),
        (b"K\x01\x85.", "(1)"),
        (b"(K\x01t.", "(1)"),
        (b").", "()"),
        (b"(K\x01l.", "[1]"),
        (b"]K\x01a.", "[1]"),
        (b"](K\x01K\x02e.", "[1, 2]"),
        (b"](e.", "[]"),
        (b"(K\x01Nd.", "{1, None}"),
        (b"}K\x01Ns.", "{1, None}"),
        (b"}(K\x01NK\x02Nu.", "{1, None, 2, None}"),
        (b"\x8f(K\x01\x90.", "{1}"),
        (b"(K\x01\x91.", "{1}"),
        (b"K\x01K\x020.", "1"),
        (b"K\x01(K\x02K\x031.", "1"),
        (b"K\x01(0.", "1"),
        (b"K\x012\x86.", "(1, 1)"),
        (b"K\x07p12\n0g12\n.", "7"),
        (b"K\x07q\x050h\x05.", "7"),
        (b"K\x07r\0\x01\0\x000j\0\x01\0\0.", "7"),
        (b"K\x07\x940h\0.", "7"),
        (b"\x95\x03\0\0\0\0\0\0\0K\x01.", "1"),
        (b"cm\nc\n.", "m.c"),
        (b"\x8c\x01m\x8c\x01c\x93.", "m.c"),
        (b"cm\nc\n)R.", "m.c()"),
        (b"cm\nc\nK\x01\x85\x81.", "m.c(1)"),
        (b"cm\nc\n)R}b.", "m.c() <- {}"),
        (b"(K\x01im\nc\n.", "m.c(1)"),
        (b"(cm\nc\nK\x01o.", "m.c(1)"),
    ] {
        assert_eq!(value(pickle), expected, "{pickle:?}");
    }
}

#[test]
fn a_list_that_is_stored_before_it_is_filled_is_one_list() {
    assert_eq!(value(b"]q\0K\x01ah\0\x86."), "([1], [1])");
}

#[test]
fn a_list_that_contains_itself_is_a_reference_to_itself() {
    let document = read(b"]q\0h\0a.").unwrap();
    assert_eq!(
        document.items(document.root()),
        Some(&[document.root()][..])
    );
}

#[test]
fn bytes_after_the_stop_are_not_read() {
    let mut rest = &b"K\x01.rest"[..];
    Document::read(&mut rest, LIMITS, |_, _| Some(())).unwrap();
    assert_eq!(rest, b"rest");
}

#[test]
fn an_unknown_function_is_an_error_for_every_opcode() {
    for pickle in [
        &b"cposix\nsystem\n(S'true'\ntR."[..],
        b"(S'true'\niposix\nsystem\n.",
        b"\x8c\x05posix\x8c\x06system\x93.",
        b"U\x05posixU\x06system\x93.",
    ] {
        let error = read(pickle).unwrap_err().to_string();
        assert_eq!(error, "it uses the class or function `posix.system`");
    }
}

#[test]
fn a_malformed_pickle_is_an_error() {
    for pickle in [
        &b""[..],
        b".",
        b"0.",
        b"R.",
        b"t.",
        b"u.",
        b"e.",
        b"(e.",
        b"(a.",
        b"K\x01(K\x02a.",
        b"o.",
        b"(o.",
        b"1.",
        b"2.",
        b"(2.",
        b"h\x05.",
        b"gx\n.",
        b"p-1\n.",
        b"q\0.",
        b"\xff",
        b"K",
        b"X\xff\0\0\0a",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7fab",
        b"\x8b\xff\xff\xff\xffab",
        b"I\n.",
        b"Ix\n.",
        b"L--1\n.",
        b"Fx\n.",
        b"S'a\n.",
        b"V\\u1\n.",
        b"X\x01\0\0\0\xff.",
        b"K\x01K\x02\x93.",
        b"\x82\x01.",
        b"\x97.",
    ] {
        let error = read(pickle).unwrap_err();
        assert!(
            matches!(error, Error::Broken { .. }),
            "{pickle:?}: {error:?}"
        );
    }
}

#[test]
fn features_that_arrays_do_not_need_are_an_error() {
    for pickle in [
        &b"Pid\n."[..],
        b"K\x01Q.",
        b"cm\nc\n)}\x92.",
        b"}}b.",
        b"K\x01K\x02a.",
        b"]}(K\x01K\x02e.",
        b"cm\nc\n)RK\x01K\x02s.",
    ] {
        let error = read(pickle).unwrap_err();
        assert!(
            matches!(error, Error::Refused(DocumentError::Unsupported(_))),
            "{pickle:?}: {error:?}"
        );
    }
}

#[test]
fn too_many_opcodes_are_an_error() {
    let error = read(&b"N".repeat(10_001)).unwrap_err();
    assert!(matches!(
        error,
        Error::Refused(DocumentError::TooManySteps(10_000))
    ));
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    let mut pickle = b")".to_vec();
    pickle.extend(vec![0x85; 2_000_000]);
    pickle.push(b'.');
    let limits = Limits { steps: 3_000_000 };
    let document = Document::<()>::read(&mut &pickle[..], limits, |_, _| None).unwrap();
    let mut depth = 0;
    let mut at = document.root();
    while let Some(&[inner]) = document.items(at) {
        (at, depth) = (inner, depth + 1);
    }
    assert_eq!(depth, 2_000_000);
}
