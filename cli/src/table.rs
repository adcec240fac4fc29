//! Long lists on a narrow terminal: a row is one line, and what says nothing is left out.

/// A column of words is not cut to fewer characters than this.
const WORDS_MIN: usize = 7;

/// Headers and rows as they fit into so many characters: columns in which nothing stands are left out, and the longest words are cut, those of the
/// first column last. What is cut is whole on the page of one thing, and in JSON.
pub fn fit<'a>(headers: &[&'a str], rows: Vec<Vec<String>>, width: usize) -> (Vec<&'a str>, Vec<Vec<String>>) {
    let says = |column: usize| column == 0 || rows.is_empty() || rows.iter().any(|row| row[column] != "-");
    let kept: Vec<usize> = (0..headers.len()).filter(|column| says(*column)).collect();
    let headers: Vec<&str> = kept.iter().map(|column| headers[*column]).collect();
    let mut rows: Vec<Vec<String>> =
        rows.into_iter().map(|row| kept.iter().map(|column| row[*column].clone()).collect()).collect();
    let is_words = |column: usize| rows.iter().any(|row| row[column] != "-" && row[column].parse::<f64>().is_err());
    let words: Vec<usize> = (0..headers.len()).filter(|column| is_words(*column)).collect();
    let mut widths: Vec<usize> = (0..headers.len())
        .map(|column| rows.iter().map(|row| length(&row[column])).max().unwrap_or(0).max(headers[column].len()))
        .collect();
    // Behind each column, the last one too.
    let gaps = 2 * headers.len();
    while widths.iter().sum::<usize>() + gaps > width {
        let can_shrink = |column: &&usize| widths[**column] > WORDS_MIN.max(headers[**column].len());
        let others = words.iter().filter(|column| **column > 0).filter(can_shrink).max_by_key(|at| widths[**at]);
        let Some(column) = others.or_else(|| words.first().filter(can_shrink)).copied() else { break };
        widths[column] -= 1;
    }
    for row in &mut rows {
        for column in &words {
            if length(&row[*column]) > widths[*column] {
                row[*column] = row[*column].chars().take(widths[*column] - 1).chain(['…']).collect();
            }
        }
    }
    (headers, rows)
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        vec![row(["worker-1", "-", "1234567", "reads part 12 of the corpus"]), row(["boss", "-", "7", "-"])]
    }

    #[test]
    fn columns_without_a_word_are_left_out() {
        let (headers, rows) = fit(&["name", "roles", "sent", "task"], rows(), 80);
        assert_eq!(headers, ["name", "sent", "task"]);
        assert_eq!(rows[0], ["worker-1", "1234567", "reads part 12 of the corpus"]);
    }

    #[test]
    fn words_are_cut_and_numbers_never() {
        let (_, rows) = fit(&["name", "roles", "sent", "task"], rows(), 32);
        assert_eq!(rows[0], ["worker-1", "1234567", "reads part…"]);
        let (_, rows) = fit(&["name", "roles", "sent", "task"], self::rows(), 10);
        assert_eq!(rows[0], ["worker…", "1234567", "reads …"]);
    }
}
