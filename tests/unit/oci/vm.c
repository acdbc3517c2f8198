#include "test.h"

#include "base/xalloc.h"
#include "oci/spec.h"

#include <string.h>

static struct err e;
static struct oci_spec spec;

static int parse(const char *vm)
{
	AUTO_FREE char *text = xasprintf("{\"ociVersion\":\"1.3.0\",\"vm\":%s}", vm);

	e = ERR_INIT;
	return oci_spec_parse(&spec, "config.json", text, strlen(text), &e);
}

static void refused(const char *vm, const char *where)
{
	CHECK_ERR(E_INVALID, parse(vm));
	ck_assert_msg(strstr(e.msg, where), "'%s' is not in '%s'", where, e.msg);
}

#define KERNEL "\"kernel\":{\"path\":\"/vmlinuz\"}"

static void check_whole(const struct oci_vm *vm)
{
	ck_assert(vm->present && vm->has_hardware);
	ck_assert_str_eq(vm->hypervisor_path, "/usr/bin/vmm");
	ck_assert_str_eq(vm->hypervisor_parameters.items[1], "b c");
	ck_assert_str_eq(vm->kernel_path, "/vmlinuz");
	ck_assert_str_eq(vm->kernel_parameters.items[0], "quiet");
	ck_assert_str_eq(vm->initrd_path, "/initrd");
	ck_assert_str_eq(vm->image_path, "/disk");
	ck_assert_str_eq(vm->image_format, "qcow2");
	ck_assert_str_eq(vm->device_tree_path, "/dt");
	ck_assert_int_eq(vm->vcpus, 2);
	ck_assert_int_eq(vm->memory_bytes, 1 << 30);
	ck_assert_str_eq(vm->dt_devices.items[0], "/soc/a");
	ck_assert_uint_eq(vm->n_iomems, 1);
	ck_assert_uint_eq(vm->iomems[0].first_mfn, UINT64_C(1) << 40);
	ck_assert_uint_eq(vm->n_irqs, 2);
	ck_assert_uint_eq(vm->irqs[1], 7);
}

START_TEST(all_of_it_is_read_and_written)
{
	AUTO_FREE char *text = NULL;

	CHECK_OK(parse("{\"hypervisor\":{\"path\":\"/usr/bin/vmm\",\"parameters\":[\"a\",\"b "
	               "c\"]},\"kernel\":{\"path\":\"/vmlinuz\",\"parameters\":[\"quiet\"],"
	               "\"initrd\":\"/initrd\"},\"image\":{\"path\":\"/disk\",\"format\":"
	               "\"qcow2\"},\"hwConfig\":{\"deviceTree\":\"/dt\",\"vcpus\":2,\"memory\":"
	               "1073741824,\"dtdevs\":[\"/soc/a\"],\"iomems\":[{\"firstGFN\":1,"
	               "\"firstMFN\":1099511627776,\"nrMFNs\":3}],\"irqs\":[5,7]}}"));
	check_whole(&spec.vm);
	text = oci_spec_format(&spec, false);
	oci_spec_done(&spec);
	CHECK_OK(oci_spec_parse(&spec, "config.json", text, strlen(text), &e));
	check_whole(&spec.vm);
	oci_spec_done(&spec);
	CHECK_OK(parse("{" KERNEL "}"));
	ck_assert(spec.vm.present && !spec.vm.has_hardware);
	ck_assert_int_eq(spec.vm.vcpus, OCI_UNSET);
	oci_spec_done(&spec);
}
END_TEST

START_TEST(faults_are_named_by_their_path)
{
	refused("[]", "vm");
	refused("{}", "vm: 'kernel' is missing");
	refused("{\"kernel\":{}}", "vm.kernel: 'path' is missing");
	refused("{\"kernel\":{\"path\":\"vmlinuz\"}}", "vm.kernel.path: 'vmlinuz'");
	refused("{\"kernel\":{\"path\":\"\"}}", "vm.kernel.path");
	refused("{\"kernel\":{\"path\":\"/k\",\"initrd\":\"i\"}}", "vm.kernel.initrd");
	refused("{\"kernel\":{\"path\":\"/k\",\"parameters\":[1]}}", "vm.kernel.parameters[0]");
	refused("{" KERNEL ",\"hypervisor\":{}}", "vm.hypervisor: 'path' is missing");
	refused("{" KERNEL ",\"image\":{\"path\":\"/i\"}}", "vm.image: 'format' is missing");
	refused("{" KERNEL ",\"image\":{\"path\":\"/i\",\"format\":\"iso\"}}",
	        "vm.image.format: 'iso'");
	refused("{" KERNEL ",\"hwConfig\":{\"vcpus\":0}}", "vm.hwConfig.vcpus");
	refused("{" KERNEL ",\"hwConfig\":{\"memory\":-1}}", "vm.hwConfig.memory");
	refused("{" KERNEL ",\"hwConfig\":{\"irqs\":[4294967296]}}", "vm.hwConfig.irqs[0]");
	refused("{" KERNEL ",\"hwConfig\":{\"iomems\":[{\"firstGFN\":1,\"firstMFN\":2}]}}",
	        "vm.hwConfig.iomems[0]: 'nrMFNs' is missing");
	refused("{" KERNEL ",\"hwConfig\":{\"iomems\":[{\"firstGFN\":1,\"firstMFN\":2,"
	        "\"nrMFNs\":18446744073709551615}]}}",
	        "vm.hwConfig.iomems[0]");
}
END_TEST

TEST_MAIN("vm", all_of_it_is_read_and_written, faults_are_named_by_their_path)
