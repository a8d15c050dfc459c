//! The Dockerfiles. `TOOLS` is a Debian with compilers, interpreters and a web server, `SLIM` one without.

/// A Dockerfile with its context, and what it must make.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) files: &'static [(&'static str, &'static str)],
    pub(super) dockerfile: &'static str,
    /// Files of the image with their contents.
    pub(super) made: &'static [(&'static str, &'static str)],
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "c-program",
        files: &[
            ("Makefile", "app: main.o greet.o\n\ttcc -o $@ $^\n%.o: %.c greet.h\n\ttcc -O2 -c $<\n"),
            ("main.c", "#include \"greet.h\"\nint main(void) { greet(\"world\"); return 0; }\n"),
            (
                "greet.c",
                "#include <stdio.h>\n#include \"greet.h\"\nvoid greet(const char *name) { printf(\"hello %s\\n\", name); }\n",
            ),
            ("greet.h", "void greet(const char *name);\n"),
        ],
        dockerfile: "FROM TOOLS AS build\nWORKDIR /src\nCOPY Makefile *.c *.h ./\nRUN make\nRUN ./app > expected\nFROM SLIM\n\
                     COPY --from=build /src/app /usr/local/bin/app\nCOPY --from=build --chown=nobody:nogroup /src/expected /srv/\n\
                     RUN app > /srv/said && cmp /srv/said /srv/expected\nUSER nobody\nENTRYPOINT [\"app\"]\n",
        made: &[("srv/said", "hello world\n")],
    },
    Case {
        name: "python-application",
        files: &[
            ("requirements.txt", "# none\n"),
            ("app/__init__.py", ""),
            ("app/server.py", "import sys\nprint('ok', sys.version_info.major)\n"),
            ("app/__pycache__/old.pyc", "old"),
            (".dockerignore", "**/__pycache__\n.git\n"),
        ],
        dockerfile: "FROM TOOLS\nENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1\nWORKDIR /app\n\
                     RUN useradd --uid 1500 --no-log-init app && install -d -o app /var/lib/app\nCOPY requirements.txt .\n\
                     COPY --chown=app app ./app\nUSER app\nRUN python3 -m app.server > /var/lib/app/out\nEXPOSE 8080\n\
                     CMD [\"python3\", \"-m\", \"app.server\"]\n",
        made: &[("var/lib/app/out", "ok 3\n")],
    },
    Case {
        name: "small-steps",
        files: &[
            ("site/index.html", "<p>\n"),
            ("conf/default", "a=1\n"),
            ("start.sh", "#!/bin/sh\nexec cat /etc/site/default\n"),
        ],
        dockerfile: "FROM SLIM\nRUN mkdir -p /srv/site /etc/site && ln -s /srv/site /srv/link && ln /etc/passwd /srv/passwd\n\
                     COPY site/ /srv/site/\nCOPY conf /etc/site\nCOPY --chmod=755 start.sh /\n\
                     RUN rm -rf /usr/share/doc /usr/share/man && rm /srv/passwd\n\
                     RUN chmod 1777 /srv && chgrp -R games /srv/site && mkfifo /srv/pipe\n\
                     RUN mv /etc/site/default /etc/site/renamed && cp -a /etc/site/renamed /etc/site/default\n\
                     RUN rm -rf /srv/site && mkdir /srv/site && echo new > /srv/site/new\nVOLUME /data\nSTOPSIGNAL SIGQUIT\nCMD /start.sh\n",
        made: &[("srv/site/new", "new\n")],
    },
    Case {
        name: "web-server",
        files: &[
            ("site.conf", "server { listen 8080; root /srv/www; location /health { return 204; } }\n"),
            ("www/index.html", "<h1>hello</h1>\n"),
            ("www/css/site.css", "h1 { color: teal }\n"),
        ],
        dockerfile: "FROM TOOLS\nRUN rm -f /etc/nginx/sites-enabled/default && mkdir -p /srv/www\nCOPY site.conf /etc/nginx/conf.d/\n\
                     COPY www /srv/www\nRUN nginx -t -q && rm -rf /run/nginx.pid /var/log/nginx/*\n\
                     RUN ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log\n\
                     RUN chown -R www-data:www-data /srv/www && find /srv/www -type f -exec chmod 640 {} +\nEXPOSE 8080 8443\n\
                     STOPSIGNAL SIGQUIT\nCMD [\"nginx\", \"-g\", \"daemon off;\"]\n",
        made: &[("srv/www/css/site.css", "h1 { color: teal }\n")],
    },
    Case {
        name: "node-application",
        files: &[
            ("package.json", "{\"name\": \"app\", \"version\": \"1.2.3\"}\n"),
            ("src/index.js", "module.exports = (name) => `hello ${name}`;\n"),
            (
                "build.js",
                "const fs = require('fs');\nconst { version } = require('./package.json');\nfs.mkdirSync('dist', { recursive: true });\n\
                 fs.writeFileSync('dist/app.js', `// ${version}\\n` + fs.readFileSync('src/index.js'));\n",
            ),
            ("node_modules/left/index.js", "left\n"),
            (".dockerignore", "node_modules\n*.log\n"),
        ],
        dockerfile: "FROM TOOLS AS build\nWORKDIR /app\nCOPY package*.json ./\nCOPY . .\n\
                     RUN node build.js && node -e \"console.log(require('./dist/app.js')('node'))\" > said\nFROM TOOLS\n\
                     ENV NODE_ENV=production\nWORKDIR /app\nCOPY --from=build /app/package.json /app/said ./\nCOPY --from=build /app/dist ./dist\n\
                     RUN test ! -e node_modules && chown -R nobody /app\nUSER nobody\nCMD [\"node\", \"dist/app.js\"]\n",
        made: &[("app/said", "hello node\n"), ("app/dist/app.js", "// 1.2.3\nmodule.exports = (name) => `hello ${name}`;\n")],
    },
    Case {
        name: "static-site",
        files: &[
            ("pages/a.txt", "first\n"),
            ("pages/b.txt", "second\n"),
            (
                "make.py",
                "import os, sys\nos.makedirs('/out/pages')\nfor name in sorted(os.listdir('pages')):\n    text = open('pages/' + name).read()\n    \
                 open('/out/pages/' + name[:-4] + '.html', 'w').write('<p>' + text.strip() + '</p>\\n')\n",
            ),
        ],
        dockerfile: "FROM TOOLS AS make\nWORKDIR /site\nCOPY . .\nRUN python3 make.py && chmod -R a+rX /out\nFROM scratch\nWORKDIR /\nCOPY --from=make /out /\n\
                     LABEL kind=site\nEXPOSE 80/tcp\n",
        made: &[("pages/a.html", "<p>first</p>\n"), ("pages/b.html", "<p>second</p>\n")],
    },
    Case {
        name: "users-and-modes",
        files: &[("job.sh", "#!/bin/sh\nid -u\n")],
        dockerfile: "FROM TOOLS\nRUN groupadd -g 3000 jobs && useradd -u 3001 -g jobs -d /home/job -m -s /bin/sh job\n\
                     COPY --chown=job:jobs job.sh /home/job/\nRUN chmod 4755 /home/job/job.sh && install -d -m 2770 -g jobs /var/spool/jobs\n\
                     RUN cp /bin/sleep /usr/local/bin/nap && chmod 6755 /usr/local/bin/nap && chgrp jobs /usr/local/bin/nap\nUSER job\nWORKDIR /home/job\n\
                     RUN sh job.sh > who && umask 077 && echo private > secret && ln -s who link && mkfifo pipe\nUSER root\n\
                     RUN chown 0:3000 /home/job/secret && usermod -L job\nUSER 3001:3000\n",
        made: &[("home/job/who", "3001\n"), ("home/job/secret", "private\n")],
    },
    Case {
        name: "arguments",
        files: &[("entry.sh", "#!/bin/sh\nexec \"$@\"\n"), ("conf/app.ini", "level=info\n")],
        dockerfile: "ARG BASE=SLIM\nFROM ${BASE}\nARG VERSION=2.5.0\nARG CHANNEL\nENV VERSION=${VERSION} MAJOR=${VERSION} CHANNEL=${CHANNEL:-stable}\n\
                     LABEL version=\"${VERSION}\" channel=$CHANNEL \"two words\"=\"a b\"\nRUN echo \"$VERSION $CHANNEL ${VERSION%.*}\" > /etc/version\n\
                     COPY conf/app.ini /etc/$CHANNEL/\nCOPY --chmod=0755 entry.sh /usr/local/bin/entry\nWORKDIR /srv/$CHANNEL\nRUN pwd > where\n\
                     ENTRYPOINT [\"entry\"]\nCMD [\"cat\", \"/etc/version\"]\n",
        made: &[
            ("etc/version", "2.5.0 stable 2.5\n"),
            ("srv/stable/where", "/srv/stable\n"),
            ("etc/stable/app.ini", "level=info\n"),
        ],
    },
    Case {
        name: "monorepo",
        files: &[
            ("services/api/main.py", "print('api')\n"),
            ("services/api/tests/test_main.py", "assert True\n"),
            ("services/web/main.py", "print('web')\n"),
            ("libs/common/util.py", "VALUE = 1\n"),
            ("libs/common/README.md", "# common\n"),
            ("README.md", "# repository\n"),
            ("docs/keep.md", "keep\n"),
            (".dockerignore", "**/tests\n**/*.md\n!docs/keep.md\nservices/web\n"),
        ],
        dockerfile: "FROM TOOLS AS base\nWORKDIR /repo\nCOPY libs ./libs\nFROM base AS api\nCOPY services/api ./services/api\nCOPY . /whole/\n\
                     RUN find /whole -type f | sort > /listed && PYTHONDONTWRITEBYTECODE=1 python3 services/api/main.py > /said\nFROM api AS final\n\
                     RUN rm -rf /whole\nCMD [\"python3\", \"/repo/services/api/main.py\"]\n",
        made: &[
            ("said", "api\n"),
            (
                "listed",
                "/whole/.dockerignore\n/whole/Dockerfile\n/whole/docs/keep.md\n/whole/libs/common/util.py\n/whole/services/api/main.py\n",
            ),
        ],
    },
    Case {
        name: "replaced-directories",
        files: &[("plugins/one", "1\n"), ("plugins/two", "2\n"), ("other/three", "3\n")],
        dockerfile: "FROM SLIM AS work\nCOPY plugins /opt/app/plugins\nRUN ln -s /opt/app /opt/current && rm /opt/app/plugins/two\nCOPY other /opt/current/plugins/\n\
                     RUN mv /opt/app /opt/app-1 && mkdir /opt/app && echo fresh > /opt/app/file\n\
                     RUN rm -rf /var/cache /usr/share/zoneinfo && mkdir -p /var/cache && touch /var/cache/empty\n\
                     RUN rm /etc/issue && mkdir /etc/issue && echo now-a-directory > /etc/issue/file\n\
                     RUN cp -a /etc/skel /root/skel && find /root/skel -type f -delete && chmod 711 /root\nFROM work\nCOPY --from=work /opt/app-1/plugins /final/\n",
        made: &[
            ("final/one", "1\n"),
            ("final/three", "3\n"),
            ("etc/issue/file", "now-a-directory\n"),
            ("opt/app/file", "fresh\n"),
        ],
    },
];
