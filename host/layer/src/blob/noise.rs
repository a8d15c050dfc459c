//! What no compressor makes smaller: archives, pictures, keys. It is told apart, so that nobody tries.

use std::io;

/// The size of the parts that are looked at, in bytes.
const PART: usize = 64 << 10;
/// How far apart the bytes of a part are that are looked at.
const STRIDE: usize = 16;

/// Neighbouring parts of a block of one kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run<'b> {
    pub(super) bytes: &'b [u8],
    /// Whether its bytes look like noise.
    pub(super) is_noise: bool,
}

/// The block in runs, as long as they can be. What looks like noise may still say the same twice: `try_it` tells of the first part
/// of a run whether it is noise indeed.
pub(super) fn runs(block: &[u8], mut try_it: impl FnMut(&[u8]) -> io::Result<bool>) -> io::Result<Vec<Run<'_>>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    let (mut start, mut end) = (0, 0);
    for part in block.chunks(PART) {
        let was_noise = runs.last().is_some_and(|run| run.is_noise);
        let is_noise = looks_like_noise(part) && (was_noise || try_it(part)?);
        if runs.is_empty() || was_noise != is_noise {
            start = end;
            runs.push(Run { bytes: &[], is_noise });
        }
        end += part.len();
        if let Some(run) = runs.last_mut() {
            run.bytes = &block[start..end];
        }
    }
    Ok(runs)
}

/// Whether all byte values are about as frequent: how often two of the sampled bytes are equal says so. Where that is at most
/// 2 % more often than among random bytes, which is four standard deviations, a code for single bytes saves less than 0.3 %.
/// Too small a part is not looked at.
fn looks_like_noise(part: &[u8]) -> bool {
    let mut counts = [0u32; 256];
    part.iter().step_by(STRIDE).for_each(|&byte| counts[usize::from(byte)] += 1);
    let samples = (part.len().div_ceil(STRIDE)) as u64;
    let equal: u64 = counts.iter().map(|&count| u64::from(count).pow(2)).sum();
    let expected = samples + samples * samples.saturating_sub(1) / 256;
    part.len() == PART && equal * 100 <= expected * 102
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;

    #[test]
    fn noise_and_the_rest_are_told_apart_and_nothing_is_lost() {
        let (noise, text) = (noise(5 * PART), b"words of text ".repeat(PART));
        let block = [&text[..3 * PART], &noise, &text[..100]].concat();
        let mut tried = Vec::new();
        let mut try_it = |part: &[u8]| {
            tried.push(part.len());
            Ok(true)
        };
        let found = runs(&block, &mut try_it).unwrap();
        let kinds: Vec<_> = found.iter().map(|run| (run.bytes.len(), run.is_noise)).collect();
        assert_eq!(kinds, [(3 * PART, false), (5 * PART, true), (100, false)]);
        assert_eq!(found.iter().flat_map(|run| run.bytes).copied().collect::<Vec<_>>(), block);
        assert_eq!(tried, [PART], "only the first part of a run is tried");
        let found = runs(&block, |_| Ok(false)).unwrap();
        assert_eq!(found, [Run { bytes: &block, is_noise: false }]);
        assert!(runs(&[], |_| Ok(true)).unwrap().is_empty());
    }

    #[test]
    fn what_a_code_would_make_smaller_is_no_noise() {
        // Base 64 has a quarter of all values, and seven bits a half.
        let base64: Vec<u8> = noise(PART).iter().map(|byte| b'0' + byte % 64).collect();
        let seven: Vec<u8> = noise(PART).iter().map(|byte| byte & 0x7f).collect();
        // One byte in twenty is zero.
        let spaced: Vec<u8> =
            noise(PART).iter().enumerate().map(|(at, &byte)| if (at / STRIDE).is_multiple_of(20) { 0 } else { byte }).collect();
        assert!([base64, seven, spaced, vec![0; PART], noise(PART - 1)].iter().all(|part| !looks_like_noise(part)));
        assert!(looks_like_noise(&noise(PART)));
    }
}
