//! Which stages are needed, in which order, and which uses of stages are refused.

use windlass_core::Finding;

use super::{Origin, Stage};
use crate::instruction::Instruction;

/// How far a stage has been walked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Walk {
    New,
    Open,
    Done,
}

/// The stages that `target` needs, itself last, each behind those that it needs. There must be no circle.
pub(super) fn needed(stages: &[Stage], target: usize) -> Vec<usize> {
    let mut walks = vec![Walk::New; stages.len()];
    let mut order = Vec::new();
    walk(stages, target, &mut walks, &mut order);
    order
}

/// Refuses stages that need each other, whether the target needs them or not.
pub(super) fn refuse_circles(stages: &[Stage]) -> Result<(), Box<Finding>> {
    let mut walks = vec![Walk::New; stages.len()];
    for stage in 0..stages.len() {
        if let Some(circle) = walk(stages, stage, &mut walks, &mut Vec::new()) {
            return Err(Box::new(circle_finding(stages, &circle)));
        }
    }
    Ok(())
}

/// Walks depth first, without recursion as chains of stages may be long. The result is a circle, where one is met.
fn walk(stages: &[Stage], start: usize, walks: &mut [Walk], order: &mut Vec<usize>) -> Option<Vec<usize>> {
    if walks[start] != Walk::New {
        return None;
    }
    walks[start] = Walk::Open;
    let mut path: Vec<(usize, Box<dyn Iterator<Item = usize> + '_>)> = vec![(start, Box::new(stages[start].stages_used()))];
    while let Some((stage, dependencies)) = path.last_mut() {
        let stage = *stage;
        match dependencies.next() {
            None => {
                walks[stage] = Walk::Done;
                order.push(stage);
                path.pop();
            }
            Some(next) if walks[next] == Walk::New => {
                walks[next] = Walk::Open;
                path.push((next, Box::new(stages[next].stages_used())));
            }
            Some(next) if walks[next] == Walk::Open => {
                let begin = path.iter().position(|(open, _)| *open == next).unwrap_or(0);
                return Some(path[begin..].iter().map(|(open, _)| *open).collect());
            }
            Some(_) => {}
        }
    }
    None
}

fn circle_finding(stages: &[Stage], circle: &[usize]) -> Finding {
    const SHOWN: usize = 8;
    let first = circle.first().copied().unwrap_or(0);
    let last = circle.last().copied().unwrap_or(first);
    let mut names: Vec<String> = circle.iter().take(SHOWN).map(|&stage| format!("`{}`", stages[stage].title())).collect();
    if circle.len() > SHOWN {
        names.push("…".to_owned());
    }
    names.push(format!("`{}`", stages[first].title()));
    let closing = stages[last].steps.iter().find(|step| step.sources.contains(&Some(Origin::Stage(first))));
    let place = closing.map_or(&stages[last].statement, |step| &step.statement).place.clone();
    let message = format!("circular dependency between stages: {} needs itself ({})", names[0], names.join(" needs "));
    Finding::deny("dockerfile/circle", message).at(place)
}

/// Refuses copies and mounts of the stage `index` from stages behind it.
pub(super) fn refuse_later(stages: &[Stage], index: usize, findings: &mut Vec<Finding>) {
    for step in &stages[index].steps {
        for source in step.sources.iter().flatten() {
            let Origin::Stage(source) = *source else { continue };
            if source <= index {
                continue;
            }
            let verb = if matches!(step.statement.instruction, Instruction::Copy(_)) { "copy" } else { "mount" };
            let (from, to) = (stages[source].title(), stages[index].title());
            let message = format!("cannot {verb} from stage `{from}`: it is defined after stage `{to}`");
            let finding = Finding::deny("dockerfile/stage", message).at(step.statement.place.clone());
            findings.push(finding.help(format!("move `{from}` before `{to}`")));
        }
    }
}
