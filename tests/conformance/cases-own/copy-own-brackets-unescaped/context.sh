mkdir -p 'app/[slug]'; echo p > 'app/[slug]/page.js'
