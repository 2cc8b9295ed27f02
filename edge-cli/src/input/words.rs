//! Splits one line of a batch file into words, as a shell would: single and double quotes,
//! backslashes, `#` comments. No variables, no globs, no pipes.

use crate::error::{CommandError, Result};

/// The words of a line; none for an empty line or a comment.
pub(crate) fn split(line: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '#' if word.is_none() => break,
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => quoted(&mut chars, word.get_or_insert_default(), '\'')?,
            '"' => quoted(&mut chars, word.get_or_insert_default(), '"')?,
            '\\' => {
                let escaped = chars.next().ok_or_else(|| unfinished("a backslash at the end of the line"))?;
                word.get_or_insert_default().push(escaped);
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(chars: &mut std::str::Chars<'_>, word: &mut String, quote: char) -> Result<()> {
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => return Ok(()),
            '\\' if quote == '"' => match chars.next() {
                Some(escaped @ ('"' | '\\')) => word.push(escaped),
                Some(other) => word.extend(['\\', other]),
                None => break,
            },
            c => word.push(c),
        }
    }
    Err(unfinished("a quote that is not closed"))
}

fn unfinished(what: &str) -> CommandError {
    CommandError::usage(format!("the line has {what}"))
        .hint("quote words with spaces: survey T-1 --note 'seen from the bridge'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expect: &[&str]) {
        assert_eq!(split(line).unwrap(), expect, "{line}");
    }

    #[test]
    fn words_split_like_in_a_shell() {
        check("", &[]);
        check("  # only a comment", &[]);
        check(
            "add --name '水宁 排口'  --note \"a \\\"b\\\" c\" # why",
            &["add", "--name", "水宁 排口", "--note", "a \"b\" c"],
        );
        check("a\\ b ''", &["a b", ""]);
        check("x#y", &["x#y"]);
    }

    #[test]
    fn an_open_quote_is_an_error() {
        for bad in ["add 'x", "add \"x", "add \\"] {
            assert_eq!(split(bad).unwrap_err().kind, crate::error::ErrorKind::Usage, "{bad}");
        }
    }
}
