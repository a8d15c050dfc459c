//! The built component under the real runtime, with an image that the test makes up.

use windlass_plugin_test::{FakeImage, PluginUnderTest};

#[test]
fn a_key_in_the_image_is_denied_and_other_files_are_not() {
    let plugin = PluginUnderTest::build("forbidden-files");
    let clean = FakeImage::new("{}", &[("/app/main", "x")]);
    assert_eq!(plugin.check_image(&[], clean).unwrap(), []);
    let leaky = FakeImage::new("{}", &[("/root/.ssh/id_rsa", "key"), ("/app/main", "x")]);
    let found = plugin.check_image(&[], leaky).unwrap();
    assert_eq!(found[0].message, "the image holds `/root/.ssh/id_rsa`");
    let other = FakeImage::new("{}", &[("/app/debug.pem", "x")]);
    assert_eq!(plugin.check_image(&[("paths", "/app/debug.pem")], other).unwrap().len(), 1);
}
