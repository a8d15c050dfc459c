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
];
