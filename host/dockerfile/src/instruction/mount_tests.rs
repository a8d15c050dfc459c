use super::*;

fn typed(text: &str) -> Result<Mount, MountError> {
    MountOptions::parse(text)?.typed()
}

fn told(text: &str) -> String {
    typed(text).unwrap_err().to_string()
}

#[test]
fn a_mount_without_a_type_is_a_read_only_bind() {
    let mount = typed("target=/src2").unwrap();
    assert_eq!(mount.kind, MountKind::Bind { from: None, source: None, is_read_only: true });
    let mount = typed("dst=/a,rw,src=dir,from=stage").unwrap();
    let (from, source) = (Some("stage".to_owned()), Some("dir".to_owned()));
    assert_eq!(mount.kind, MountKind::Bind { from, source, is_read_only: false });
    let MountKind::Bind { is_read_only, .. } = typed("target=/a,readwrite=false").unwrap().kind else { panic!() };
    assert!(is_read_only);
}

#[test]
fn every_type_has_its_options() {
    assert_eq!(
        typed("type=cache,id=c,target=/c,sharing=LOCKED,mode=0755,uid=1,gid=2,from=seed,source=/s").unwrap().kind,
        MountKind::Cache {
            id: Some("c".to_owned()),
            from: Some("seed".to_owned()),
            source: Some("/s".to_owned()),
            sharing: Sharing::Locked,
            is_read_only: false,
            attributes: Attributes { mode: Some(0o755), uid: Some(1), gid: Some(2) },
        }
    );
    assert_eq!(
        typed("type=tmpfs,target=/t,size=64m").unwrap().kind,
        MountKind::Tmpfs { size: Some(64 << 20), is_read_only: false }
    );
    assert_eq!(
        typed("type=ssh,required").unwrap().kind,
        MountKind::Ssh { id: "default".to_owned(), is_required: true, attributes: Attributes::default() }
    );
}

#[test]
fn a_secret_is_a_file_of_its_name_unless_it_is_a_variable_alone() {
    let secret = |text: &str| {
        let mount = typed(text).unwrap();
        let MountKind::Secret { id, variable, .. } = mount.kind.clone() else { panic!("{mount:?}") };
        (id, variable, mount.target_below("/w").unwrap())
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(secret("type=secret,id=tok"), ("tok".to_owned(), None, some("/run/secrets/tok")));
    assert_eq!(secret("type=secret,id=tok,target=rel"), ("tok".to_owned(), None, some("/rel")));
    assert_eq!(secret("type=secret,target=/a/b"), ("b".to_owned(), None, some("/a/b")));
    assert_eq!(secret("type=secret,id=tok,env=TOKEN"), ("tok".to_owned(), some("TOKEN"), None));
    assert_eq!(secret("type=secret,id=tok,env="), ("tok".to_owned(), some("tok"), None));
    assert_eq!(secret("type=secret,source=s,env=T,target=/t"), ("s".to_owned(), some("T"), some("/t")));
}

#[test]
fn a_relative_target_is_below_the_working_directory() {
    let below = |text: &str, directory: &str| typed(text).unwrap().target_below(directory).map_err(|error| error.to_string());
    assert_eq!(below("target=rel/x/", "/w").unwrap().as_deref(), Some("/w/rel/x"));
    assert_eq!(below("target=/a/../b", "/w").unwrap().as_deref(), Some("/b"));
    assert!(below("target=..", "/w").unwrap_err().contains("root"));
    assert!(below("target=/", "/w").is_err());
    assert_eq!(typed("type=ssh").unwrap().target_below("/w").unwrap(), None);
}

#[test]
fn mistakes_are_named() {
    for (text, named) in [
        ("type=floppy", "floppy"),
        ("type=cahce", "`cache`"),
        ("tagret=/a", "`target`"),
        ("target", "lacks its value"),
        ("nonsense", "nonsense"),
        ("type=bind,required=true", "required"),
        ("required,type=secret,id=x", "required"),
        ("type=bind,mode=0644", "mode"),
        ("type=tmpfs,uid=1", "uid"),
        ("type=cache,size=1m", "size"),
        ("type=tmpfs,size=lots", "lots"),
        ("type=cache,sharing=some", "some"),
        ("type=bind,sharing=shared", "sharing"),
        ("type=cache,mode=9", "octal"),
        ("type=cache,uid=-1", "-1"),
        ("ro=perhaps", "perhaps"),
        ("type=secret", "id, source, target"),
        ("type=secret,id=a,source=b", "not both"),
        ("type=secret,id=a,from=b", "from"),
        ("type=ssh,source=b", "source"),
        ("a\"b", "commas"),
    ] {
        assert!(told(text).contains(named), "{text}: {}", told(text));
    }
}

#[test]
fn values_with_commas_are_quoted() {
    assert_eq!(typed("type=bind,\"target=/a,b\"").unwrap().target.as_deref(), Some("/a,b"));
}
