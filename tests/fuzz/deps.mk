fuzz_fuzz_proxy_parse := proto_proxy proto_proxy_v1 proto_proxy_v2 crc32c addr
fuzz_fuzz_proxy_build := $(fuzz_fuzz_proxy_parse) proto_proxy_build
