/* What libFuzzer calls, and replay.c too. Returns 0; a finding is a crash or an abort. */
#pragma once
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
