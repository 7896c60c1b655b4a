fuzz_fuzz_proxy_parse := proto_proxy proto_proxy_v1 proto_proxy_v2 crc32c addr
fuzz_fuzz_proxy_build := $(fuzz_fuzz_proxy_parse) proto_proxy_build
fuzz_fuzz_config_url := $(config_modules) config_dump config_dump_yaml
fuzz_fuzz_config_url_libs := -lyaml -ljansson
fuzz_fuzz_config_yaml := $(fuzz_fuzz_config_url)
fuzz_fuzz_config_yaml_libs := -lyaml -ljansson
fuzz_fuzz_acl := acl addr
fuzz_fuzz_proxy_send := proxy_send proxy_tlv proto_proxy_build $(proxy_modules)
