/* oci/vm: the "vm" object of a configuration (runtime-spec 1.3, config-vm.md): what a container
 * in a virtual machine is booted from. Paths are the host's and absolute. */
#pragma once
#include "base/strv.h"
#include <stdbool.h>
#include <stdint.h>

struct oci_vm_iomem {
	uint64_t first_gfn, first_mfn, count; /* page frames: guest, machine, how many */
};

struct oci_vm {
	bool present;
	char *hypervisor_path; /* NULL: the runtime's choice */
	struct strv hypervisor_parameters;
	char *kernel_path; /* never NULL when present */
	struct strv kernel_parameters;
	char *initrd_path;
	char *image_path; /* NULL: none */
	char *image_format;
	bool has_hardware;
	char *device_tree_path;
	int64_t vcpus;        /* OCI_UNSET: not given */
	int64_t memory_bytes; /* OCI_UNSET: not given */
	struct strv dt_devices;
	struct oci_vm_iomem *iomems;
	size_t n_iomems;
	uint32_t *irqs;
	size_t n_irqs;
};

void oci_vm_done(struct oci_vm *vm);
