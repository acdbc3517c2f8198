/* oci/names: the specification's names for kernel numbers, both ways. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Docker's default capabilities, as a mask. */
#define OCI_CAPS_DEFAULT                                                                           \
	(1u << 0 | 1u << 1 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8 |           \
	 1u << 10 | 1u << 13 | 1u << 18 | 1u << 27 | 1u << 29 | 1u << 31)
#define OCI_CAP_LAST 40 /* CAP_CHECKPOINT_RESTORE */
#define OCI_CAPS_ALL ((1ull << (OCI_CAP_LAST + 1)) - 1)

/* The number of a capability by name, any case, with or without "CAP_"; or -1. */
int oci_cap_number(const char *name);
const char *oci_cap_name(int number); /* "CAP_CHOWN", or NULL */
/* RLIMIT_* by "RLIMIT_NOFILE" or "nofile", any case; or -1. */
int oci_rlimit_resource(const char *name);
const char *oci_rlimit_name(int resource); /* "RLIMIT_NOFILE", or NULL */
/* A signal number by "9", "KILL", "SIGKILL", "SIGRTMIN+3", any case; or -1. */
int oci_signal_number(const char *name);
const char *oci_signal_name(int number); /* "SIGKILL", or NULL */
