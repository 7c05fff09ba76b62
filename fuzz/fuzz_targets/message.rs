//! How an input is divided into key, headers and body: lines, so that seeds can be read and written by hand.

/// What an input says.
#[allow(dead_code, reason = "each target reads what it needs")]
pub(crate) struct Message<'i> {
    pub(crate) key: &'i [u8],
    pub(crate) other_key: &'i [u8],
    pub(crate) headers: Vec<(&'i str, &'i [u8])>,
    pub(crate) body: &'i [u8],
}

impl<'i> Message<'i> {
    /// Reads any bytes; what is missing is empty.
    pub(crate) fn read(input: &'i [u8]) -> Self {
        let mut rest = input;
        let key = line(&mut rest);
        let other_key = line(&mut rest);
        let mut headers = Vec::new();
        while !rest.is_empty() {
            let header = line(&mut rest);
            if header.is_empty() {
                break;
            }
            let colon = header.iter().position(|byte| *byte == b':').unwrap_or(header.len());
            let value = header.get(colon + 1..).unwrap_or_default();
            if let Ok(name) = std::str::from_utf8(&header[..colon]) {
                headers.push((name, value.strip_prefix(b" ").unwrap_or(value)));
            }
        }
        Self { key, other_key, headers, body: rest }
    }
}

/// Takes a line off, without its line feed.
fn line<'i>(rest: &mut &'i [u8]) -> &'i [u8] {
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let line = &rest[..end];
    *rest = rest.get(end + 1..).unwrap_or_default();
    line
}
