use super::*;
use crate::expand::Empty;
use crate::instruction::mount::{MountKind, Sharing};
use crate::instruction::run::{Network, Security};
use crate::instruction::{CommandLine, HealthcheckInstruction, InlineFile, Pair};

fn read(text: &str) -> Dockerfile {
    parse(text.as_bytes(), "Dockerfile").unwrap_or_else(|findings| panic!("{findings:#?}"))
}

fn instructions(text: &str) -> Vec<Instruction> {
    let file = read(&format!("FROM x\n{text}"));
    file.stages[0].statements.iter().map(|statement| statement.instruction.clone()).collect()
}

fn one(text: &str) -> Instruction {
    instructions(text).remove(0)
}

/// The mistakes of the lines after a `FROM`, as `line:column message`.
fn mistakes(text: &str) -> Vec<String> {
    let findings = parse(format!("FROM x\n{text}").as_bytes(), "Dockerfile").unwrap_err();
    let show = |finding: &Finding| {
        let place = finding.place.clone().unwrap();
        format!(
            "{}:{} {}{}",
            place.line,
            place.column,
            finding.message,
            finding.help.as_deref().map(|h| format!(" ({h})")).unwrap_or_default()
        )
    };
    findings.iter().map(show).collect()
}

fn pair(name: &str, value: &str) -> Pair {
    Pair { name: name.to_owned(), value: value.to_owned() }
}

#[test]
fn stages_and_globals_are_told_apart() {
    let file = read("ARG A=1\nFROM --platform=$P a AS One\nRUN x\nfrom b as two-2.x_\n");
    assert_eq!((file.globals.len(), file.stages.len()), (1, 2));
    assert_eq!(file.stages[0].from.name.as_deref(), Some("one"));
    assert_eq!(file.stages[0].from.platform.as_deref(), Some("$P"));
    assert_eq!(file.stages[1].from.name.as_deref(), Some("two-2.x_"));
}

#[test]
fn spans_cover_continuations_and_heredoc_bodies() {
    let file = read("FROM x\n  RUN a \\\n  b\nCOPY <<E /x\nbody\nE\nUSER u");
    let spans: Vec<_> = file.stages[0].statements.iter().map(|s| (s.span.start, s.span.end)).collect();
    let at = |line, column| Position { line, column };
    assert_eq!(spans, [(at(2, 3), at(3, 4)), (at(4, 1), at(6, 2)), (at(7, 1), at(7, 7))]);
    assert_eq!(file.stages[0].statements[0].text, "RUN a   b");
}

#[test]
fn continued_lines_lose_comments_and_blank_lines() {
    let text = "RUN echo one > /f \\\n  # comment in between\n  && echo two >> /f \\\n\n  && echo \"a # b\" >> /f && \\\n# margin\n  echo three \\\n  four\nRUN echo x\\\ny > /g\n";
    let file = read(&format!("FROM x\n{text}"));
    let commands: Vec<_> = file.stages[0].statements.iter().map(|s| s.text.as_str()).collect();
    assert_eq!(commands[0], "RUN echo one > /f   && echo two >> /f   && echo \"a # b\" >> /f &&   echo three   four");
    assert_eq!(commands[1], "RUN echo xy > /g");
    assert_eq!(file.warnings.len(), 1);
    assert_eq!(file.warnings[0].place.as_ref().unwrap().line, 9);
}

#[test]
fn carriage_returns_belong_to_line_ends_but_stay_in_heredocs() {
    let file = read("# escape=\\\r\nFROM x\r\nENV A=1 \\\r\n  B=2\r\nCOPY <<EOF /h\r\nline1\r\nEOF\r\nCMD [\"a\"]\r\n");
    let statements = &file.stages[0].statements;
    let Instruction::Env(env) = &statements[0].instruction else { panic!() };
    assert_eq!(env.pairs, [pair("A", "1"), pair("B", "2")]);
    let Instruction::Copy(copy) = &statements[1].instruction else { panic!() };
    assert_eq!(copy.sources.files[0].content, "line1\r\n");
    assert_eq!(statements[2].instruction, Instruction::Cmd(CommandLine::Exec(vec!["a".to_owned()])));
}

#[test]
fn a_byte_order_mark_is_skipped_before_directives() {
    let file = read("\u{feff}# escape=`\nFROM x\nENV A=b\\\n");
    assert_eq!(file.directives.escape, Escape::Backtick);
    assert_eq!(file.stages[0].statements[0].expand(&Empty).unwrap(), {
        Instruction::Env(crate::instruction::EnvInstruction { pairs: vec![pair("A", "b\\")] })
    });
}

#[test]
fn directives_are_kept() {
    let file = read("# syntax=docker/dockerfile:1\n# check=skip=all\nFROM x\n");
    assert_eq!(file.directives.syntax.as_deref(), Some("docker/dockerfile:1"));
    assert_eq!(file.directives.check.as_ref().map(|(text, _)| text.as_str()), Some("skip=all"));
}

#[test]
fn instructions_are_counted() {
    let file = |count: usize| format!("FROM x\n{}", "USER u\n".repeat(count - 1));
    assert_eq!(read(&file(MAXIMUM_INSTRUCTIONS)).stages[0].statements.len(), MAXIMUM_INSTRUCTIONS - 1);
    let findings = parse(file(MAXIMUM_INSTRUCTIONS + 1).as_bytes(), "Dockerfile").unwrap_err();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].place.as_ref().unwrap().line as usize, MAXIMUM_INSTRUCTIONS + 1);
}

#[test]
fn words_in_lists_are_counted_and_commands_in_shell_form_are_not() {
    let words = folded(&"a=b ".repeat(MAXIMUM_WORDS));
    for name in ["ENV", "LABEL", "ARG", "EXPOSE", "VOLUME", "COPY", "ADD", "ONBUILD ENV"] {
        let findings = parse(format!("FROM x\n{name} {words}").as_bytes(), "Dockerfile").unwrap_err();
        assert_eq!((findings.len(), findings[0].rule.as_str()), (1, "dockerfile/file"), "{name}");
    }
    let array = folded(&format!("[{}\"\"]", "\"\",".repeat(MAXIMUM_WORDS)));
    for name in ["RUN", "CMD", "ENTRYPOINT", "SHELL", "HEALTHCHECK CMD", "COPY", "RUN --network=none"] {
        assert!(parse(format!("FROM x\n{name} {array}").as_bytes(), "Dockerfile").is_err(), "{name}");
    }
    for text in
        [format!("RUN {}", folded(&"--mount=type=cache,target=/a ".repeat(MAXIMUM_WORDS))), format!("RUN <<A {words}\nA\n")]
    {
        assert!(parse(format!("FROM x\n{text}").as_bytes(), "Dockerfile").is_err());
    }
    let several = "ENV a=b c=d\n".repeat(MAXIMUM_INSTRUCTIONS / 2);
    let _ = read(&format!("FROM x\n{several}RUN echo {words}\nCMD {words}\nLABEL x={}", folded(&"y".repeat(MAXIMUM_WORDS))));
}

/// `text` over as many lines as it takes, which are joined to the same.
pub(crate) fn folded(text: &str) -> String {
    let lines: Vec<&str> = text.as_bytes().chunks(60_000).map(|line| std::str::from_utf8(line).unwrap()).collect();
    lines.join("\\\n")
}

#[test]
fn long_instructions_are_read_whole() {
    let value = folded(&"x".repeat(100_000));
    let Instruction::Env(env) = one(&format!("ENV LONG={value}")) else { panic!() };
    assert_eq!(env.pairs[0].value.len(), 100_000);
}

/// BuildKit's scanner has room for 64 KiB, line feed included, and reads no longer line in a comment or heredoc either.
#[test]
fn a_line_is_as_long_as_that_of_buildkit_at_most() {
    let filled = |beginning: &str, length: usize| beginning.to_owned() + &"x".repeat(length - beginning.len());
    for beginning in ["FROM x\n# ", "FROM x\nENV A=", "FROM x\nRUN <<E\n", "FROM x\nENV A=b \\\n B="] {
        let (before, last) = beginning.rsplit_once('\n').unwrap();
        let number = before.lines().count() + 1;
        for end in ["", "\n", "\nE\n", "\r\nE\n"].into_iter().filter(|end| beginning.contains("<<") == end.contains('E')) {
            let file = |length: usize| format!("{before}\n{}{end}", filled(last, length - usize::from(end.starts_with('\r'))));
            assert!(parse(file(MAXIMUM_LINE).as_bytes(), "Dockerfile").is_ok(), "{beginning:?} {end:?}");
            let findings = parse(file(MAXIMUM_LINE + 1).as_bytes(), "Dockerfile").unwrap_err();
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert_eq!(
                findings[0].to_string(),
                format!("Dockerfile:{number}: line {number} has 65536 bytes; a line of a Dockerfile has at most 65535")
            );
        }
    }
    let several = format!("{0}\nFROM x\n{0}\n", filled("#", MAXIMUM_LINE + 1));
    let lines = parse(several.as_bytes(), "f")
        .unwrap_err()
        .iter()
        .map(|finding| finding.place.as_ref().unwrap().line)
        .collect::<Vec<_>>();
    assert_eq!(lines, [1, 3]);
    let from = read("FROM x\n").stages.remove(0).statement;
    assert!(parse_trigger(&filled("ENV A=", MAXIMUM_LINE + 1), &from).is_err());
}

#[test]
fn a_continuation_at_the_end_of_the_file_continues_with_nothing() {
    assert_eq!(one("RUN echo x > /f \\"), one("RUN echo x > /f"));
}

#[test]
fn env_and_label_have_an_old_form() {
    let Instruction::Label(label) = one("LABEL old style value") else { panic!() };
    assert_eq!(label.pairs, [pair("old", "style value")]);
    let Instruction::Env(env) = one("ENV a\t b=\"c\"  d") else { panic!() };
    assert_eq!(env.pairs, [pair("a", "b=\"c\"  d")]);
    let Instruction::Label(label) = one("LABEL a=1 \"quoted.key\"=\"q v\" e= d=\"multi \\\nline\"") else { panic!() };
    assert_eq!(label.pairs, [pair("a", "1"), pair("\"quoted.key\"", "\"q v\""), pair("e", ""), pair("d", "\"multi line\"")]);
}

#[test]
fn exec_and_shell_form_are_told_apart() {
    assert_eq!(one("ENTRYPOINT []"), Instruction::Entrypoint(CommandLine::Exec(vec![])));
    assert_eq!(one("CMD ['a']"), Instruction::Cmd(CommandLine::Shell("['a']".to_owned())));
    let Instruction::Cmd(CommandLine::Exec(words)) = one(r#"CMD ["echo", "a\tb", "\u00e9", "q\"q", "", "$X"]"#) else { panic!() };
    assert_eq!(words, ["echo", "a\tb", "é", "q\"q", "", "$X"]);
    assert_eq!(mistakes("CMD [\"a\", 1]"), ["2:5 a JSON array of arguments must hold strings only"]);
}

#[test]
fn every_flag_is_read() {
    let Instruction::Copy(copy) =
        one("COPY --from=s --chown=a:b --chmod=u+x --link --parents --exclude=*.md --exclude=\"b c\" a b /c/")
    else {
        panic!()
    };
    assert_eq!((copy.from.as_deref(), copy.owner.as_deref(), copy.mode.as_deref()), (Some("s"), Some("a:b"), Some("u+x")));
    assert!(copy.links && copy.keeps_parents);
    assert_eq!(copy.exclude, ["*.md", "b c"]);
    assert_eq!((copy.sources.paths, copy.sources.destination), (vec!["a".to_owned(), "b".to_owned()], "/c/".to_owned()));
    let Instruction::Add(add) = one("ADD --checksum=sha256:0 --keep-git-dir --unpack=FALSE --link=false https://h/x /x") else {
        panic!()
    };
    assert_eq!((add.checksum.as_deref(), add.keeps_git_directory, add.unpacks), (Some("sha256:0"), Some(true), Some(false)));
    assert!(!add.links);
    let Instruction::Run(run) =
        one("RUN --mount=type=cache,target=/c,sharing=private --network=none --security=insecure --device=gpu,required x")
    else {
        panic!()
    };
    assert_eq!((run.network, run.security), (Network::None, Security::Insecure));
    assert_eq!((run.devices[0].name.as_str(), run.devices[0].is_required), ("gpu", true));
    assert!(matches!(run.typed_mounts().unwrap()[0].kind, MountKind::Cache { sharing: Sharing::Private, .. }));
}

#[test]
fn paths_with_blanks_need_the_json_form() {
    let Instruction::Copy(copy) = one(r#"COPY ["with space.txt", "<<X", "/j/to space.txt"]"#) else { panic!() };
    assert_eq!(copy.sources.paths, ["with space.txt", "<<X"]);
    let Instruction::Copy(copy) = one(r#"COPY "with space.txt" /quoted/"#) else { panic!() };
    assert_eq!(copy.sources.paths, ["\"with", "space.txt\""]);
}

#[test]
fn heredocs_are_sources_named_by_their_delimiters() {
    let text = "COPY --chmod=0400 <<EOF a <<-'G h' <<\"K\" /d/\nx $X\nEOF\n\ty\n\tG h\n$z\nK";
    let Instruction::Copy(copy) = one(text) else { panic!() };
    // The plain form cuts at blanks even within quotes, so a delimiter with a blank is no source.
    assert_eq!(copy.sources.paths, ["a", "<<-'G", "h'"]);
    let file = |name: &str, content: &str, expands| InlineFile { name: name.to_owned(), content: content.to_owned(), expands };
    assert_eq!(copy.sources.files, [file("EOF", "x $X\n", true), file("K", "$z\n", false)]);
    let Instruction::Add(add) = one("ADD <<-f.sh /d/\n\t\tx\n\t  y\n\tf.sh") else { panic!() };
    assert_eq!(add.sources.files, [file("f.sh", "x\n  y\n", true)]);
}

fn executes(text: &str) -> (Vec<String>, Option<InlineFile>) {
    let Instruction::Run(run) = one(text) else { panic!() };
    let execution = run.execution(&[]);
    (execution.arguments[2..].to_vec(), execution.script)
}

#[test]
fn a_heredoc_that_is_the_whole_command_is_the_shell_text() {
    assert_eq!(executes("RUN <<EOF\ntrue\n# no comment \\\nEOF"), (vec!["true\n# no comment \\\n".to_owned()], None));
    assert_eq!(executes("RUN 3<<-\"EOF\"\n\tcat <<-IN\n\t\tin\n\tIN\n\tEOF").0, ["cat <<-IN\nin\nIN\n"]);
    assert_eq!(executes("RUN <<EOF\nEOF").0, [""]);
}

#[test]
fn a_heredoc_with_an_interpreter_line_is_a_script() {
    let (arguments, script) = executes("RUN <<-run.sh\n#!/bin/sh -e\n\techo \"$FOO\"\nrun.sh");
    assert_eq!(arguments, ["/dev/pipes/run.sh"]);
    let script = script.unwrap();
    assert_eq!(
        (script.name.as_str(), script.content.as_str(), script.expands),
        ("run.sh", "#!/bin/sh -e\necho \"$FOO\"\n", false)
    );
}

#[test]
fn other_heredocs_are_left_to_the_shell() {
    assert_eq!(executes("RUN cat <<-EOF > /c\n\t\tx\n\tEOF").0, ["cat <<-EOF > /c\n\t\tx\nEOF"]);
    assert_eq!(executes("RUN python3 <<A && cat 3<<B\n1\nA\n2\nB").0, ["python3 <<A && cat 3<<B\n1\nA\n2\nB"]);
    assert_eq!(executes("RUN cat <<< x").0, ["cat <<< x"]);
    assert_eq!(executes("RUN echo $((1<<3)) > /c").0, ["echo $((1<<3)) > /c"]);
    let Instruction::Run(run) = one(r#"RUN ["sh", "-c", "cat <<EOF\nEOF"]"#) else { panic!() };
    assert_eq!(run.execution(&[]).arguments, ["sh", "-c", "cat <<EOF\nEOF"]);
}

#[test]
fn a_heredoc_of_another_shell_runs_there() {
    let Instruction::Run(run) = one("RUN <<EOF\nx\nEOF") else { panic!() };
    let shell: Vec<String> = ["/bin/sh", "-e", "-c"].map(str::to_owned).to_vec();
    assert_eq!(run.execution(&shell).arguments, ["/bin/sh", "-e", "-c", "x\n"]);
}

#[test]
fn health_checks_are_in_nanoseconds() {
    let text = "HEALTHCHECK --interval=1m30s --timeout=5s --start-period=500ms --start-interval=2s --retries=3 CMD check $HOME || exit 1";
    let Instruction::Healthcheck(check) = one(text) else { panic!() };
    assert_eq!(check.test(), ["CMD-SHELL", "check $HOME || exit 1"]);
    let HealthcheckInstruction::Check(check) = check else { panic!() };
    assert_eq!((check.interval, check.timeout, check.start_period), (90_000_000_000, 5_000_000_000, 500_000_000));
    assert_eq!((check.start_interval, check.retries), (2_000_000_000, 3));
    let Instruction::Healthcheck(check) = one(r#"healthcheck cmd ["a", "b"]"#) else { panic!() };
    assert_eq!(check.test(), ["CMD", "a", "b"]);
    assert_eq!(one("HEALTHCHECK none"), Instruction::Healthcheck(HealthcheckInstruction::None));
    assert!(mistakes("HEALTHCHECK --interval=0.1ms CMD true")[0].contains("--interval"));
    assert!(mistakes("HEALTHCHECK --retries=-1 CMD true")[0].contains("-1"));
    assert!(mistakes("HEALTHCHECK --timeout=soon CMD true")[0].contains("soon"));
    assert!(mistakes("HEALTHCHECK CMD []")[0].contains("lacks its command"));
    assert!(mistakes("HEALTHCHECK NONE x")[0].contains("no arguments"));
    assert!(mistakes("HEALTHCHECK true")[0].contains("TRUE"));
}

#[test]
fn triggers_are_kept_as_written() {
    let triggers: Vec<String> =
        instructions("ONBUILD RUN echo \"$X\" > /x\nonbuild  label  a=b\nONBUILD COPY <<-A <<B /\n\ta\n\tA\nb\nB")
            .into_iter()
            .map(|instruction| match instruction {
                Instruction::OnBuild(on_build) => on_build.trigger,
                other => panic!("{other:?}"),
            })
            .collect();
    assert_eq!(triggers, ["RUN echo \"$X\" > /x", "label  a=b", "COPY <<-A <<B /\n\ta\nA\nb\nB"]);
}

#[test]
fn forbidden_and_malformed_triggers_are_refused() {
    assert!(mistakes("ONBUILD ONBUILD RUN true")[0].contains("ONBUILD"));
    assert!(mistakes("ONBUILD from x")[0].contains("FROM"));
    assert!(mistakes("ONBUILD MAINTAINER x")[0].contains("MAINTAINER"));
    assert!(mistakes("ONBUILD ENV A")[0].starts_with("2:13 ENV requires a name and a value"));
    let file = read("FROM x\nONBUILD RUNN x");
    assert!(file.warnings[0].message.contains("RUNN"), "other mistakes show where the trigger runs");
}

#[test]
fn a_trigger_is_read_on_behalf_of_the_stage_it_runs_in() {
    let file = read("FROM y\nFROM x");
    let trigger = parse_trigger("COPY <<E /a\nx\nE", &file.stages[1].statement).unwrap();
    assert_eq!(trigger.place.line, 2);
    assert!(matches!(trigger.instruction, Instruction::Copy(_)));
    for text in ["FROM y", "RUN a\nRUN b", "", "NOPE"] {
        assert!(parse_trigger(text, &file.stages[1].statement).is_err(), "{text}");
    }
}

#[test]
fn all_mistakes_come_at_once_with_places_and_advice() {
    let text = "RUNN <<EOF\nbody line\nEOF\nCOPY --chwon=app a \\\n  --x b\nCOPY a\nENV A=1 B \\\n C=2 =3\nUSER\nRUN --network=lan --network=none x\nCOPY --from=$X a b\nRUN --mount=from=${Y},target=/a x\n";
    assert_eq!(
        mistakes(text),
        [
            "2:1 unknown instruction `RUNN` (did you mean `RUN`?)",
            "5:6 COPY has no flag `--chwon` (did you mean `--chown`?)",
            "7:6 COPY requires at least one source and a destination",
            "8:9 `B` lacks its `=`: ENV takes NAME=value (put quotes around a value that has blanks)",
            "9:6 a name of ENV must not be empty",
            "10:1 USER requires exactly one argument",
            "11:5 `lan` is not a value of --network (it is one of default, none, host)",
            "11:19 the flag `--network` is given twice",
            "12:6 variables, quotes and escapes are not supported in --from (give the image a stage of its own, `FROM image:$TAG AS name` with a global ARG, and copy from that)",
            "13:5 variables are not supported in the from of a mount (give the image a stage of its own, `FROM image:$TAG AS name` with a global ARG, and mount from that)",
        ]
    );
}

#[test]
fn flags_of_instructions_without_any_are_named() {
    for name in
        ["ENV", "ARG", "LABEL", "USER", "WORKDIR", "STOPSIGNAL", "VOLUME", "EXPOSE", "CMD", "ENTRYPOINT", "MAINTAINER", "ONBUILD"]
    {
        assert!(mistakes(&format!("{name} --quick a=1"))[0].contains("`--quick`"), "{name}");
    }
    assert!(mistakes("COPY --link=perhaps a b")[0].contains("perhaps"));
    assert!(mistakes("COPY --chown a b")[0].contains("lacks its value"));
}

#[test]
fn shells_and_stage_names_have_a_form() {
    assert_eq!(one(r#"SHELL ["/bin/sh", "-c"]"#), Instruction::Shell(vec!["/bin/sh".to_owned(), "-c".to_owned()]));
    assert!(mistakes("SHELL bash -c")[0].contains("JSON"));
    assert!(mistakes("SHELL []")[0].contains("at least one"));
    assert!(mistakes("FROM x AS 1a")[0].contains("1a"));
    assert!(mistakes("FROM x y")[0].contains("AS"));
    assert!(mistakes("VOLUME [\"\"]")[0].contains("empty"));
}

#[test]
fn a_file_needs_a_stage() {
    let told = |text: &str| parse(text.as_bytes(), "Dockerfile").unwrap_err()[0].message.clone();
    assert_eq!(told(""), "the Dockerfile has no instructions");
    assert_eq!(told("# nothing\n\n# here\n"), "the Dockerfile has no instructions");
    assert_eq!(told("ARG A=1"), "the Dockerfile has no FROM");
    assert_eq!(told("RUN true\nFROM x"), "RUN stands before the first FROM; only ARG may");
    assert!(told("FROM x\nCOPY <<EOF /a\ntext\n").contains("heredoc"));
    assert!(told("# escape=x\nFROM x").contains("escape"));
}

#[test]
fn text_that_is_not_utf8_is_refused_but_in_comments() {
    assert!(parse(b"# caf\xe9\nFROM x\n", "Dockerfile").is_ok());
    let findings = parse(b"FROM x\nRUN a \\\n caf\xe9\n", "Dockerfile").unwrap_err();
    assert_eq!((findings[0].rule.as_str(), findings[0].place.as_ref().unwrap().line), ("dockerfile/encoding", 3));
}

#[test]
fn a_file_full_of_mistakes_ends_in_a_limited_number_of_findings() {
    let text = "FROM x\n".to_owned() + &"RUNN <<X\n".repeat(200_000) + "ENV " + &"a ".repeat(10);
    let findings = parse(text.as_bytes(), "Dockerfile").unwrap_err();
    assert!(findings.len() <= 2 * MAXIMUM_FINDINGS);
    let text = format!("FROM x\nENV A=1 {}", folded(&"a ".repeat(300_000)));
    assert!(parse(text.as_bytes(), "Dockerfile").unwrap_err().len() <= MAXIMUM_FINDINGS);
    assert!(parse(&vec![b'#'; MAXIMUM_SIZE + 1], "Dockerfile").is_err());
}
