//! Words for text search: Chinese has no blanks between words and most words have two signs, so
//! every two neighbouring signs are a word; of letters and digits it is every three, since two
//! digits say little. A piece of text is then found as the phrase of its words, whatever it cuts.

/// Longest text that is searched for, in signs.
pub(super) const LONGEST: usize = 64;

/// Keeps a phrase from going across a gap: a sign of private use is a letter to FTS5 and never part
/// of a query.
const GAP: &str = "\u{e000} ";

/// Small letters, half-width forms, so that the search does not see the difference.
pub(super) fn fold(text: &str) -> String {
    let narrow = |letter: char| match letter {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(letter as u32 - 0xfee0).unwrap_or(letter),
        '\u{3000}' => ' ',
        other => other,
    };
    text.chars().map(narrow).flat_map(char::to_lowercase).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ideograph,
    Alphanumeric,
}

impl Kind {
    fn of(letter: char) -> Option<Self> {
        match letter {
            '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' => Some(Self::Ideograph),
            _ if letter.is_alphanumeric() => Some(Self::Alphanumeric),
            _ => None,
        }
    }

    fn length(self) -> usize {
        match self {
            Self::Ideograph => 2,
            Self::Alphanumeric => 3,
        }
    }
}

/// Runs of one kind, with whether something that is no word stands before each.
fn runs(folded: &str) -> Vec<(Kind, Vec<char>, bool)> {
    let mut runs: Vec<(Kind, Vec<char>, bool)> = Vec::new();
    let mut gap = true;
    for letter in folded.chars() {
        let Some(kind) = Kind::of(letter) else {
            gap = true;
            continue;
        };
        match runs.last_mut().filter(|(last, _, _)| *last == kind && !gap) {
            Some((_, run, _)) => run.push(letter),
            None => runs.push((kind, vec![letter], gap)),
        }
        gap = false;
    }
    runs
}

/// The words of a folded text, for the index: at every place, shorter ones at the end of a run.
pub(super) fn index(folded: &str) -> String {
    let mut words = String::with_capacity(folded.len() * 3);
    for (kind, run, gap) in runs(folded) {
        if gap && !words.is_empty() {
            words.push_str(GAP);
        }
        for at in 0..run.len() {
            words.extend(run[at..].iter().take(kind.length()));
            words.push(' ');
        }
    }
    words
}

/// A query in the syntax of FTS5; `None` when nothing in the text can be searched for. Pieces
/// between blanks and marks must all occur.
pub(super) fn query(text: &str) -> Option<String> {
    let phrases = phrases(text);
    (!phrases.is_empty()).then(|| phrases.join(" AND "))
}

/// The same without the pieces that are shorter than a word, where there are others: the index knows a
/// piece like `T` as the beginning of words that nearly every row has. What it finds is to be looked at.
pub(super) fn lean(text: &str) -> Option<String> {
    let (short, full): (Vec<String>, Vec<String>) = phrases(text).into_iter().partition(|phrase| phrase.ends_with('*'));
    (!short.is_empty() && !full.is_empty()).then(|| full.join(" AND "))
}

fn phrases(text: &str) -> Vec<String> {
    let folded: String = fold(text).chars().take(LONGEST).collect();
    let mut phrases: Vec<String> = Vec::new();
    let all = runs(&folded);
    for (number, (kind, run, gap)) in all.iter().enumerate() {
        let goes_on = all.get(number + 1).is_some_and(|(_, _, gap)| !gap);
        let mut words: Vec<String> = Vec::new();
        // Before the last run of a piece every word of the index is known; in it, only full ones.
        let last = if goes_on { run.len() } else { (run.len() + 1).saturating_sub(kind.length()).max(1) };
        for at in 0..last {
            words.push(run[at..].iter().take(kind.length()).collect());
        }
        let prefix = if !goes_on && run.len() < kind.length() { "*" } else { "" };
        let words = words.join(" ");
        match phrases.last_mut().filter(|_| !gap) {
            Some(phrase) => {
                phrase.truncate(phrase.trim_end_matches(['*', ' ']).len());
                phrase.truncate(phrase.len() - 1);
                phrase.push_str(&format!(" {words}\" {prefix}"));
            }
            None => phrases.push(format!("\"{words}\" {prefix}")),
        }
    }
    phrases
}

/// The folded pieces of a query, each of which must occur in the folded text of a row.
pub(super) fn pieces(text: &str) -> Vec<String> {
    let folded: String = fold(text).chars().take(LONGEST).collect();
    let piece = |piece: &str| (!piece.is_empty()).then(|| piece.to_owned());
    folded.split(|letter| Kind::of(letter).is_none()).filter_map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_overlap_and_a_phrase_of_them_is_any_piece() {
        assert_eq!(index("南江县sn-01"), "南江 江县 县 sn n \u{e000} 01 1 ");
        assert_eq!(query("南江").unwrap(), "\"南江\" ");
        assert_eq!(query("江").unwrap(), "\"江\" *");
        assert_eq!(query("南江县").unwrap(), "\"南江 江县\" ");
        assert_eq!(query("县Ｓ").unwrap(), "\"县 s\" *");
        assert_eq!(query("江县 SN01").unwrap(), "\"江县\"  AND \"sn0 n01\" ");
        assert_eq!(query(" -\"* "), None);
        assert_eq!(query("T-0123").unwrap(), "\"t\" * AND \"012 123\" ");
        assert_eq!(lean("T-0123").unwrap(), "\"012 123\" ");
        assert_eq!((lean("T"), lean("0123")), (None, None));
        assert_eq!(pieces("江县 SN-01"), ["江县", "sn", "01"]);
    }
}
