//! "Did you mean": the known name that is nearest to an unknown one.

/// The known name nearest to `name`, when it is near enough that a typing mistake is likely.
///
/// Case, `-` and `_` are not told apart; otherwise one edit in three characters is allowed.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |text: &str| text.to_ascii_lowercase().replace('-', "_");
    let wanted = fold(name);
    let allowed = (wanted.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &fold(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_mistakes_are_recognised_and_other_words_are_not() {
        let known = ["region", "account", "imageName", "tags"];
        assert_eq!(nearest("regoin", known), Some("region"));
        assert_eq!(nearest("image_name", known), Some("imageName"));
        assert_eq!(nearest("IMAGENAME", known), Some("imageName"));
        assert_eq!(nearest("garbage", known), None);
    }
}
