//! Rows, and their form in the file.

use super::table::{Kind, Table};

/// One column of a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// Nothing.
    Null,
    /// A number of any size.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A GUID.
    Guid([u8; 16]),
}

/// A row: its columns in the order of [`Table::columns`].
pub type Row = Vec<Value>;

const NULL: u8 = 0;
const NUMBER: u8 = 1;
const FALSE: u8 = 2;
const TRUE: u8 = 3;
const TEXT: u8 = 4;
const BYTES: u8 = 5;
const GUID: u8 = 6;

impl Value {
    /// A text as every backend holds it.
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() })
    }

    fn fits(&self, kind: Kind, optional: bool) -> bool {
        match self {
            Self::Null => optional,
            Self::Number(number) => match kind {
                Kind::Number => true,
                Kind::Count => i32::try_from(*number).is_ok(),
                Kind::Code => i16::try_from(*number).is_ok(),
                _ => false,
            },
            Self::Flag(_) => kind == Kind::Flag,
            Self::Text(_) => kind == Kind::Text,
            Self::Bytes(_) => kind == Kind::Bytes,
            Self::Guid(_) => kind == Kind::Guid,
        }
    }
}

/// The first column whose value does not belong there.
pub(crate) fn misfit(table: &Table, row: &[Value]) -> Option<&'static str> {
    if row.len() != table.columns.len() {
        return Some("*");
    }
    table.columns.iter().zip(row).find(|(column, value)| !value.fits(column.kind, column.optional)).map(|(column, _)| column.name)
}

/// Writes a row behind what is there.
pub(super) fn write(row: &[Value], into: &mut Vec<u8>) {
    for value in row {
        match value {
            Value::Null => into.push(NULL),
            Value::Number(number) => {
                into.push(NUMBER);
                write_number(number.wrapping_shl(1).cast_unsigned() ^ (number >> 63).cast_unsigned(), into);
            }
            Value::Flag(false) => into.push(FALSE),
            Value::Flag(true) => into.push(TRUE),
            Value::Text(text) => {
                into.push(TEXT);
                write_number(text.len() as u64, into);
                into.extend_from_slice(text.as_bytes());
            }
            Value::Bytes(bytes) => {
                into.push(BYTES);
                write_number(bytes.len() as u64, into);
                into.extend_from_slice(bytes);
            }
            Value::Guid(guid) => {
                into.push(GUID);
                into.extend_from_slice(guid);
            }
        }
    }
}

/// Takes a row from the front; `None` when there is no whole row that fits the table.
pub(super) fn read(table: &Table, from: &mut &[u8]) -> Option<Row> {
    let row = table.columns.iter().map(|_| read_value(from)).collect::<Option<Row>>()?;
    misfit(table, &row).is_none().then_some(row)
}

fn read_value(from: &mut &[u8]) -> Option<Value> {
    let (&tag, rest) = from.split_first()?;
    *from = rest;
    Some(match tag {
        NULL => Value::Null,
        NUMBER => {
            let zigzag = read_number(from)?;
            Value::Number((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
        }
        FALSE => Value::Flag(false),
        TRUE => Value::Flag(true),
        TEXT => Value::Text(std::str::from_utf8(read_counted(from)?).ok().filter(|text| !text.contains('\0'))?.to_owned()),
        BYTES => Value::Bytes(read_counted(from)?.to_vec()),
        GUID => {
            let (guid, rest) = from.split_first_chunk::<16>()?;
            *from = rest;
            Value::Guid(*guid)
        }
        _ => return None,
    })
}

fn read_counted<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(read_number(from)?).ok()?;
    let (counted, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(counted)
}

fn write_number(mut number: u64, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

fn read_number(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        let bits = u64::from(byte & 0x7f);
        // One number has one form: no bits beyond 64, and no zeros at the end.
        if (bits << shift) >> shift != bits || byte == 0 && shift > 0 {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::table::TABLES, *};

    fn any_value(kind: Kind) -> BoxedStrategy<Value> {
        match kind {
            Kind::Number => any::<i64>().prop_map(Value::Number).boxed(),
            Kind::Count => any::<i32>().prop_map(|count| Value::Number(count.into())).boxed(),
            Kind::Code => any::<i16>().prop_map(|code| Value::Number(code.into())).boxed(),
            Kind::Flag => any::<bool>().prop_map(Value::Flag).boxed(),
            Kind::Text => ".*".prop_map(|text| Value::text(&text)).boxed(),
            Kind::Bytes => proptest::collection::vec(any::<u8>(), 0..200).prop_map(Value::Bytes).boxed(),
            Kind::Guid => any::<[u8; 16]>().prop_map(Value::Guid).boxed(),
        }
    }

    fn any_row() -> impl Strategy<Value = (&'static Table, Row)> {
        (0..TABLES.len()).prop_flat_map(|number| {
            let columns: Vec<BoxedStrategy<Value>> =
                TABLES[number]
                    .columns
                    .iter()
                    .map(|column| {
                        if column.optional {
                            prop_oneof![Just(Value::Null), any_value(column.kind)].boxed()
                        } else {
                            any_value(column.kind)
                        }
                    })
                    .collect();
            (Just(&TABLES[number]), columns)
        })
    }

    #[test]
    fn numbers_at_the_ends_come_back() {
        for number in [0, 1, -1, 63, 64, -64, -65, i64::MAX, i64::MIN] {
            let mut written = Vec::new();
            write(&[Value::Number(number)], &mut written);
            assert_eq!(read_value(&mut &written[..]), Some(Value::Number(number)), "{number}: {written:?}");
        }
    }

    #[test]
    fn a_number_has_one_form_and_64_bits() {
        for (row, bytes) in [
            ("a zero at the end", &[0x81, 0x00][..]),
            ("65 bits", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]),
            ("no end", &[0xff; 11]),
            ("cut off", &[0xff]),
        ] {
            assert_eq!(read_number(&mut &bytes[..]), None, "{row}");
        }
    }

    #[test]
    fn a_value_in_the_wrong_column_is_noticed() {
        let token = TABLES.iter().find(|table| table.name == "token").expect("there is one");
        let row = |expires_at, id| vec![Value::Bytes(vec![1]), id, Value::Number(2), expires_at, Value::Text(String::new())];
        for (name, row, column) in [
            ("as it should be", row(Value::Null, Value::Number(1)), None),
            ("nothing where something must be", row(Value::Null, Value::Null), Some("id")),
            ("a text for a number", row(Value::Text("1".into()), Value::Number(1)), Some("expires_at")),
            ("a column too few", row(Value::Null, Value::Number(1))[..4].to_vec(), Some("*")),
        ] {
            assert_eq!(misfit(token, &row), column, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_row_comes_back_as_it_went((table, row) in any_row()) {
            let mut written = vec![7];
            write(&row, &mut written);
            written.push(9);
            let mut rest = &written[1..];
            prop_assert_eq!(read(table, &mut rest), Some(row));
            prop_assert_eq!(rest, &[9]);
        }

        #[test]
        fn a_row_that_was_cut_is_none((table, row) in any_row(), at: prop::sample::Index) {
            let mut written = Vec::new();
            write(&row, &mut written);
            prop_assert_eq!(read(table, &mut &written[..at.index(written.len())]), None);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(number in 0..TABLES.len(), bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&TABLES[number], &mut &bytes[..]);
        }
    }
}
