# The modules that a measurement links.
bench_parse := $(proxy_modules)
bench_parse_libs := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
