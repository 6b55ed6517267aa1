//! Suggestions for names that were mistyped.

/// The candidate that a person most likely meant, or `None` when nothing is near.
///
/// Compared without regard to case by edit distance; a candidate with dots (`retry.base_seconds`) is
/// also compared by its last segment, because the section is what people forget.
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let limit = (typed.chars().count() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|candidate| (distance_by_name_or_segment(&typed, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `, did you mean 'x'?` or nothing, to be put behind a message.
pub fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(", did you mean '{name}'?")).unwrap_or_default()
}

fn distance_by_name_or_segment(typed: &str, candidate: &str) -> usize {
    let candidate = candidate.to_lowercase();
    let whole = distance(typed, &candidate);
    match (typed.rsplit('.').next(), candidate.rsplit_once('.')) {
        (Some(last_typed), Some((_, last))) if last_typed.len() > 3 => {
            whole.min(distance(last_typed, last) + 1)
        }
        _ => whole,
    }
}

/// Distance by optimal string alignment: insertions, deletions and replacements of one character, and swaps of two
/// neighbours, which are what fingers do most.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let above = &rows[i];
            let replaced = above[j] + usize::from(a[i] != b[j]);
            let mut best = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_the_name_and_nonsense_finds_nothing() {
        let names = ["cisco_ios", "cisco_xr", "juniper_junos", "retry.base_seconds"];
        assert_eq!(nearest("cisco_iso", names), Some("cisco_ios"));
        assert_eq!(nearest("Juniper_Junos", names), Some("juniper_junos"));
        assert_eq!(nearest("base_second", names), Some("retry.base_seconds"));
        assert_eq!(nearest("retries.base_seconds", names), Some("retry.base_seconds"));
        assert_eq!(nearest("toaster", names), None);
        assert_eq!(nearest("", names), None);
    }

    #[test]
    fn a_swap_of_neighbours_counts_once() {
        for (a, b, expected) in
            [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("abc", "abc", 0), ("abc", "acb", 1)]
        {
            assert_eq!(distance(a, b), expected);
            assert_eq!(distance(b, a), expected);
        }
    }
}
