//! Real processes in real isolation. Every scenario is run as the machine's root, and as `nobody` with one id and with
//! subordinate ids: for that the test program starts itself again, once per test.
#![expect(unsafe_code, reason = "a constructor is the only code that runs before the threads of the test harness")]

mod command;
mod enter;
mod filesystem;
mod harness;
mod lifetime;
mod mounts;
mod process;

/// Runs before `main`: the copies of this program that are supervisors, or that are to be root of a user namespace.
#[used]
#[unsafe(link_section = ".init_array")]
static START: extern "C" fn() = {
    extern "C" fn start() {
        crate::init_before_main();
        harness::enter_if_asked();
        process::misbehave_if_asked();
        crate::command::overlay::tests::mount_if_asked();
    }
    start
};

/// Makes three tests of each scenario.
macro_rules! scenarios {
    ($($name:ident)*) => {
        mod root { $(#[test] fn $name() { $crate::tests::harness::as_is(super::$name); })* }
        mod single_id { $(#[test] fn $name() { $crate::tests::harness::again(module_path!(), stringify!($name), "single-id"); })* }
        mod subordinate_ids { $(#[test] fn $name() { $crate::tests::harness::again(module_path!(), stringify!($name), "subordinate-ids"); })* }
    };
}
use scenarios;
