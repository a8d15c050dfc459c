//! The parser agrees with the crate `parse-dockerfile` on all of that crate's grammar, but for what is listed here and in
//! docs/dockerfile.md.

use windlass_fuzz::{ours, theirs};

/// Every instruction in every form, each after `FROM x`.
const AGREED: &[&str] = &[
    // Words, flags, keywords.
    "FROM a",
    "FROM a AS b",
    "from a as B",
    "FROM --platform=linux/amd64 a",
    "FROM --platform=$P ${A:-b} AS c-1.d_e",
    "FROM a@sha256:00",
    "RUN a b",
    "RUN  a   b ",
    "RUN",
    "RUN --mount=type=cache,target=/a a",
    "RUN --mount=type=bind,from=b,target=/a --mount=type=tmpfs,target=/b x",
    "RUN --network=none a",
    "RUN --network=host a",
    "RUN --network=default a",
    "RUN --security=insecure a",
    "RUN --security=sandbox a",
    "RUN --device=vendor.com/a=b c",
    "RUN a --b=c",
    "RUN [\"a\", \"b c\"]",
    "RUN [ \"a\" , \"b\" ]",
    "RUN [\"\\u0041\\n\\\"\\\\\\/\"]",
    "RUN [ -e a ] && b",
    "RUN [[ -e a ]] && b",
    "RUN [a, b]",
    "RUN [\"a\", b]",
    "RUN [\"a\"] b",
    "RUN \"a\"",
    "RUN 'a \"b",
    "RUN a # b",
    "RUN a\\b",
    "CMD a b",
    "CMD [\"a\", \"b\"]",
    "CMD []",
    "CMD [\"a\",]",
    "CMD [\"a\"",
    "cmd a",
    "CMD",
    "ENTRYPOINT a b",
    "ENTRYPOINT [\"a\"]",
    "ENTRYPOINT [ \"a\", \"b\"]",
    "COPY a b",
    "COPY a b c/",
    "COPY [\"a b\", \"c\"]",
    "COPY --from=x a b",
    "COPY --chown=1:2 --chmod=755 a b",
    "COPY --link a b",
    "COPY --link=false a b",
    "COPY --link=true --parents a b",
    "COPY --exclude=*.a --exclude=b c d",
    "COPY a\\ b c",
    "COPY \"a b\" c",
    "COPY $A ${B} c",
    "COPY [a] b",
    "ADD a b",
    "ADD [\"a\", \"b\"]",
    "ADD --chown=a:b --chmod=u+x --link --exclude=x a b",
    "ADD --checksum=sha256:00 http://h/a /b",
    "ADD --keep-git-dir=true https://h/r.git#m /d",
    "ADD --unpack=true a b",
    "ADD --unpack=false a b",
    "ENV a=b",
    "ENV a=b c=d",
    "ENV a b c",
    "ENV a=\"b c\" d='e f' g=h\\ i",
    "env a=",
    "ENV a=$b${c}",
    "ENV a=#b",
    "ARG a",
    "ARG a=b",
    "ARG a b=c d",
    "ARG a=\"b c\"",
    "arg a=${b:-c}",
    "LABEL a=b",
    "LABEL a=b \"c d\"=\"e f\"",
    "LABEL a b",
    "LABEL a.b-c=d",
    "MAINTAINER a",
    "MAINTAINER a b <c@d>",
    "WORKDIR /a",
    "WORKDIR a b",
    "WORKDIR \"a b\"",
    "WORKDIR $A",
    "USER a",
    "USER 1:2",
    "USER $A",
    "EXPOSE 80",
    "EXPOSE 80/tcp 1-5/udp",
    "EXPOSE $P",
    "VOLUME /a",
    "VOLUME /a /b",
    "VOLUME [\"/a\", \"/b\"]",
    "VOLUME [/a]",
    "STOPSIGNAL SIGTERM",
    "STOPSIGNAL 9",
    "SHELL [\"a\", \"-c\"]",
    "shell [\"a\"]",
    "HEALTHCHECK NONE",
    "HEALTHCHECK CMD a b",
    "HEALTHCHECK CMD [\"a\"]",
    "healthcheck cmd a",
    "HEALTHCHECK none",
    "HEALTHCHECK --interval=5s --timeout=1m30s --start-period=1h --start-interval=2s --retries=3 CMD a",
    "ONBUILD RUN a",
    "ONBUILD COPY --from=x a b",
    "onbuild add a b",
    "ONBUILD CMD [\"a\"]",
    "ONBUILD ENV a=b",
    "ONBUILD ARG a",
    "ONBUILD LABEL a=b",
    "ONBUILD EXPOSE 1",
    "ONBUILD VOLUME a",
    "ONBUILD USER a",
    "ONBUILD WORKDIR a",
    "ONBUILD SHELL [\"a\"]",
    "ONBUILD STOPSIGNAL 1",
    "ONBUILD ENTRYPOINT a",
    "ONBUILD HEALTHCHECK NONE",
    "ONBUILD HEALTHCHECK CMD a",
    // Lines, blanks, comments, escapes.
    "RUN a \\\n b",
    "RUN a \\\n\\\n b",
    "RUN a \\  \n b",
    "RUN a \\\n# c\n b",
    "RUN a \\\n  # c\n  b",
    "RUN a \\\n\n b",
    "RUN a \\",
    "RUN a\\\nb",
    "RUN \\\n a",
    "RUN a && \\\n# c \\\n b && \\\n c",
    "R\\\nUN a",
    "CO\\\nPY a b",
    "ENV a=b \\\n c=d",
    "ENV a=b\\\nc",
    "LABEL a=b \\\n\n c=d",
    "COPY a \\\n b \\\n c/",
    "COPY a \\\n# c\n b",
    "EXPOSE 1 \\\n 2",
    "VOLUME /a \\\n /b",
    "CMD [\"a\", \\\n \"b\"]",
    "RUN --mount=type=cache,target=/a \\\n b",
    "HEALTHCHECK --interval=5s \\\n CMD a",
    "# c\nRUN a",
    "  # c\n  RUN a",
    "\n\n\tRUN\ta",
    "RUN a\r\nRUN b\r\n",
    "RUN a \\\r\n b\r\n",
    "ARG a\n# c\nARG b",
    "USER a\nUSER b",
    // Heredocs.
    "RUN <<E\na\nE",
    "RUN <<E\nE",
    "RUN <<'E'\na $b\nE",
    "RUN <<\"E\"\na\nE",
    "RUN <<-E\n\ta\n\tE",
    "RUN <<EOF\na\n\nb # c\nEOF\nUSER u",
    "COPY <<E /a\nb\nE",
    "COPY <<E /a\nE",
    "COPY <<-E /a\n\tb\n\tE",
    "COPY <<'E' /a\n$b\nE",
    "COPY <<E <<F /a\nb\nE\nc\nF",
    "COPY <<E b /c\nd\nE",
    "ADD <<E /a\nb\nE",
    "ADD <<E <<'F' /a\nb\nE\n$c\nF",
    "COPY <<a.txt /b\nc\na.txt",
    "RUN --mount=type=tmpfs,target=/a <<E\nb\nE",
    "COPY --chmod=1 <<E /a\nb\nE",
    "ONBUILD RUN <<E\na\nE",
    "ONBUILD COPY <<E /a\nb\nE",
    "RUN <<<a",
    "RUN a <<<b",
];

/// Whole files.
const FILES: &[&str] = &[
    "# syntax=docker/dockerfile:1\nFROM x",
    "#syntax = a\nFROM x",
    "# escape=`\nFROM x\nRUN a `\n b",
    "# escape=\\\nFROM x\nRUN a \\\n b",
    "# check=skip=all\nFROM x",
    "# syntax=a\n# escape=`\n# check=error=true\nFROM x\nCOPY a `\n b",
    "# c\n# escape=`\nFROM x\nRUN a \\\n b",
    "\n# escape=`\nFROM x\nRUN a \\\n b",
    "# ESCAPE=`\nFROM x\nRUN a `\n b",
    "ARG A=1\nARG B\nFROM $A\nARG A\nFROM b AS c\nRUN a",
    "FROM a AS b\nFROM b AS c\nCOPY --from=b a b\nFROM c",
    "\u{feff}FROM x\nRUN a",
    "FROM x\n\n\n",
    "# only=this\nFROM x",
    "# escape=`\nFROM x\nCOPY c:\\a d:\\b\nRUN <<E\na\nE",
];

/// What both refuse.
const REFUSED: &[&str] = &[
    "",
    "# c",
    "RUN a",
    "USER a\nFROM x",
    "ARG a",
    "FROM",
    "FROM a b",
    "FROM a AS",
    "FROM a AS b c",
    "FROM x\nCOPY a",
    "FROM x\nADD",
    "FROM x\nCOPY [\"a\"]",
    "FROM x\nENV",
    "FROM x\nARG",
    "FROM x\nLABEL",
    "FROM x\nUSER",
    "FROM x\nWORKDIR",
    "FROM x\nSTOPSIGNAL",
    "FROM x\nMAINTAINER",
    "FROM x\nEXPOSE",
    "FROM x\nVOLUME",
    "FROM x\nSHELL",
    "FROM x\nSHELL a",
    "FROM x\nSHELL []",
    "FROM x\nHEALTHCHECK",
    "FROM x\nHEALTHCHECK a",
    "FROM x\nHEALTHCHECK NONE a",
    "FROM x\nONBUILD",
    "FROM x\nONBUILD ONBUILD RUN a",
    "FROM x\nNOTHING a",
    "FROM x\nRUN <<E\na",
    "FROM x\nCOPY <<E /a\nb",
    "# escape=x\nFROM x",
    "FROM x\nONBUILD a",
    "FROM x\nRUNa",
    "FROM x\nUSER <<E\nE",
];

/// Why the parsers differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Differ {
    /// We take it as BuildKit does; the crate refuses it.
    OnlyOurs,
    /// We refuse it as BuildKit does; the crate takes it.
    OnlyTheirs,
    /// Both take it, and the crate makes less of it than BuildKit does.
    Otherwise,
}

/// Everything that is known to differ. docs/dockerfile.md tells of each kind.
const DIFFERENCES: &[(Differ, &str)] = &[
    // Heredocs of RUN that do not begin the command, have a descriptor, or are several.
    (Differ::OnlyOurs, "RUN cat <<E\na\nE"),
    (Differ::OnlyOurs, "RUN 3<<E cat\na\nE"),
    (Differ::OnlyOurs, "RUN <<E <<F\na\nE\nb\nF"),
    (Differ::OnlyOurs, "COPY 3<<E /a\nb\nE"),
    // A stage name twice is a warning.
    (Differ::OnlyOurs, "FROM a AS b\nFROM c AS b"),
    // An empty JSON array is a command that the step then refuses, or one that takes the base's away.
    (Differ::OnlyOurs, "ENTRYPOINT []"),
    // A check without a command.
    (Differ::OnlyTheirs, "HEALTHCHECK CMD"),
    // Pairs, flags, values and names, which the crate does not look into.
    (Differ::OnlyTheirs, "ENV a=b c"),
    (Differ::OnlyTheirs, "ENV a"),
    (Differ::OnlyTheirs, "LABEL a"),
    (Differ::OnlyTheirs, "ARG =a"),
    (Differ::OnlyTheirs, "RUN --nothing a"),
    (Differ::OnlyTheirs, "COPY --link=maybe a b"),
    (Differ::OnlyTheirs, "RUN --network=nowhere a"),
    (Differ::OnlyTheirs, "HEALTHCHECK --interval=x CMD a"),
    (Differ::OnlyTheirs, "FROM a AS 1b"),
    (Differ::OnlyTheirs, "ONBUILD FROM a"),
    (Differ::OnlyTheirs, "ONBUILD MAINTAINER a"),
    (Differ::OnlyTheirs, "VOLUME []"),
    // JSON arrays that do not hold strings only.
    (Differ::OnlyTheirs, "CMD [1]"),
];

fn behind_from(text: &str) -> String {
    if text.to_ascii_lowercase().trim_start().starts_with("from") { text.to_owned() } else { format!("FROM x\n{text}") }
}

#[test]
fn the_parsers_agree_on_the_whole_grammar() {
    let mut wrong = Vec::new();
    for text in AGREED.iter().map(|text| behind_from(text)).chain(FILES.iter().map(|&text| text.to_owned())) {
        let (ours, theirs) = (ours(&text), theirs(&text));
        if ours.is_err() || ours != theirs {
            wrong.push(format!("{text:?}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_parsers_refuse_the_same() {
    let taken: Vec<_> = REFUSED.iter().filter(|text| ours(text).is_ok() || theirs(text).is_ok()).collect();
    assert!(taken.is_empty(), "{:#?}", taken.iter().map(|text| (text, ours(text), theirs(text))).collect::<Vec<_>>());
}

#[test]
fn the_differences_are_the_ones_that_are_listed() {
    let found = |text: &str| match (ours(text), theirs(text)) {
        (Ok(_), Err(_)) => Some(Differ::OnlyOurs),
        (Err(_), Ok(_)) => Some(Differ::OnlyTheirs),
        (Ok(ours), Ok(theirs)) => (ours != theirs).then_some(Differ::Otherwise),
        (Err(_), Err(_)) => None,
    };
    let wrong: Vec<_> = DIFFERENCES.iter().filter(|(differ, text)| found(&behind_from(text)) != Some(*differ)).collect();
    let told: Vec<_> = wrong.iter().map(|(_, text)| (text, ours(&behind_from(text)), theirs(&behind_from(text)))).collect();
    assert!(told.is_empty(), "{told:#?}");
}
