//! `ONBUILD` triggers: the steps that a base puts before those of a stage.

use windlass_core::Finding;

use super::{BuildGraph, Origin, Step, step};
use crate::instruction::Instruction;
use crate::parse::parse_trigger;

/// How many triggers one build may run, over all of its stages.
const MAXIMUM_TRIGGERS: usize = 10_000;

impl BuildGraph {
    /// Puts the triggers of the configuration of a stage's base image before the stage's own steps.
    ///
    /// Whoever has loaded that configuration calls this, once for a stage, before the stage is built: the triggers may
    /// need further stages. Triggers of a base that is a stage are there already.
    ///
    /// # Errors
    /// When a trigger is no instruction, or what it needs is not there.
    pub fn add_image_triggers(&mut self, stage: usize, triggers: &[String]) -> Result<(), Vec<Finding>> {
        self.add_triggers(stage, triggers)?;
        self.settle()?;
        self.check_words()
    }

    /// Puts the triggers of needed stages into the needed stages that are built on them. Whether there were any.
    pub(super) fn add_stage_triggers(&mut self) -> Result<bool, Vec<Finding>> {
        let mut any = false;
        for stage in self.needed.clone() {
            let child = &self.stages[stage];
            let Origin::Stage(base) = child.base else { continue };
            if child.is_replaced || child.steps.first().is_some_and(|step| step.is_trigger) {
                continue;
            }
            let triggers: Vec<String> = self.stages[base]
                .steps
                .iter()
                .filter_map(|step| match &step.statement.instruction {
                    Instruction::OnBuild(on_build) if !step.is_trigger => Some(on_build.trigger.clone()),
                    _ => None,
                })
                .collect();
            any |= !triggers.is_empty();
            self.add_triggers(stage, &triggers)?;
        }
        Ok(any)
    }

    fn add_triggers(&mut self, stage: usize, triggers: &[String]) -> Result<(), Vec<Finding>> {
        self.triggers += triggers.len();
        let from = self.stages[stage].statement.clone();
        if self.triggers > MAXIMUM_TRIGGERS {
            let message = format!("more than {MAXIMUM_TRIGGERS} ONBUILD triggers would run");
            return Err(vec![Finding::deny("dockerfile/trigger", message).at(from.place)]);
        }
        let mut steps: Vec<Step> = Vec::new();
        for trigger in triggers {
            let statement = parse_trigger(trigger, &from)?;
            steps.push(step(statement, stage, &self.names, true).map_err(|finding| vec![*finding])?);
        }
        self.stages[stage].steps.splice(0..0, steps);
        Ok(())
    }
}
