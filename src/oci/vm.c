#include "oci/vm.h"

#include "base/xalloc.h"
#include "oci/spec-internal.h"

static const char *const image_formats[] = { "raw", "qcow2", "vdi", "vmdk", "vhd" };

void oci_vm_done(struct oci_vm *vm)
{
	free(vm->hypervisor_path);
	strv_done(&vm->hypervisor_parameters);
	free(vm->kernel_path);
	strv_done(&vm->kernel_parameters);
	free(vm->initrd_path);
	free(vm->image_path);
	free(vm->image_format);
	free(vm->device_tree_path);
	strv_done(&vm->dt_devices);
	free(vm->iomems);
	free(vm->irqs);
	*vm = (struct oci_vm){ .vcpus = OCI_UNSET, .memory_bytes = OCI_UNSET };
}

static int get_path(const struct json *at, const char *key, bool required, char **ret,
                    struct err *err)
{
	struct json path;

	if (required && json_require(at, key, &path, err) < 0)
		return -1;
	if (spec_get_str(at, key, ret, err) < 0)
		return -1;
	if (json_get(at, key, &path) && **ret != '/')
		return json_error(err, &path, "'%s' is not an absolute path", *ret);
	return 0;
}

static int parse_hypervisor(const struct json *vm_obj, struct oci_vm *vm, struct err *err)
{
	struct json obj;
	bool present = false;

	if (json_get_object(vm_obj, "hypervisor", &obj, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	if (get_path(&obj, "path", true, &vm->hypervisor_path, err) < 0)
		return -1;
	return json_get_strv(&obj, "parameters", &vm->hypervisor_parameters, err);
}

static int parse_kernel(const struct json *vm_obj, struct oci_vm *vm, struct err *err)
{
	struct json obj;

	if (json_require(vm_obj, "kernel", &obj, err) < 0 ||
	    json_expect(&obj, json_type_object, err) < 0 ||
	    get_path(&obj, "path", true, &vm->kernel_path, err) < 0 ||
	    json_get_strv(&obj, "parameters", &vm->kernel_parameters, err) < 0)
		return -1;
	return get_path(&obj, "initrd", false, &vm->initrd_path, err);
}

static int parse_image(const struct json *vm_obj, struct oci_vm *vm, struct err *err)
{
	struct json obj, format;
	bool present = false;

	if (json_get_object(vm_obj, "image", &obj, &present, err) < 0)
		return -1;
	if (!present)
		return 0;
	if (get_path(&obj, "path", true, &vm->image_path, err) < 0 ||
	    json_require(&obj, "format", &format, err) < 0 ||
	    spec_get_str(&obj, "format", &vm->image_format, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(image_formats); i++)
		if (strcmp(vm->image_format, image_formats[i]) == 0)
			return 0;
	return json_error(err, &format, "'%s' is not one of raw, qcow2, vdi, vmdk and vhd",
	                  vm->image_format);
}

static int get_frame(const struct json *item, const char *key, uint64_t *ret, struct err *err)
{
	struct json unused;

	if (json_require(item, key, &unused, err) < 0)
		return -1;
	return json_get_u64(item, key, ret, err);
}

static int parse_iomems(const struct json *hw, struct oci_vm *vm, struct err *err)
{
	struct json list;
	size_t n;

	if (spec_open_list(hw, "iomems", &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i);
		struct oci_vm_iomem m = { 0 };

		if (json_expect(&item, json_type_object, err) < 0 ||
		    get_frame(&item, "firstGFN", &m.first_gfn, err) < 0 ||
		    get_frame(&item, "firstMFN", &m.first_mfn, err) < 0 ||
		    get_frame(&item, "nrMFNs", &m.count, err) < 0)
			return -1;
		if (!m.count || m.first_gfn + m.count < m.count || m.first_mfn + m.count < m.count)
			return json_error(err, &item, "is not a range of page frames");
		VEC_PUSH(vm->iomems, vm->n_iomems, m);
	}
	return 0;
}

static int parse_irqs(const struct json *hw, struct oci_vm *vm, struct err *err)
{
	struct json list;
	size_t n;

	if (spec_open_list(hw, "irqs", &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct json item = json_item(&list, i);
		int64_t number;

		if (json_expect(&item, json_type_int, err) < 0)
			return -1;
		number = json_object_get_int64(item.obj);
		if (number < 0 || number > UINT32_MAX)
			return json_error(err, &item, "is not an interrupt number");
		VEC_PUSH(vm->irqs, vm->n_irqs, (uint32_t)number);
	}
	return 0;
}

static int parse_hardware(const struct json *vm_obj, struct oci_vm *vm, struct err *err)
{
	struct json hw, value;

	if (json_get_object(vm_obj, "hwConfig", &hw, &vm->has_hardware, err) < 0)
		return -1;
	if (!vm->has_hardware)
		return 0;
	if (get_path(&hw, "deviceTree", false, &vm->device_tree_path, err) < 0 ||
	    spec_get_unsigned(&hw, "vcpus", UINT32_MAX, &vm->vcpus, err) < 0 ||
	    spec_get_unsigned(&hw, "memory", INT64_MAX, &vm->memory_bytes, err) < 0 ||
	    json_get_strv(&hw, "dtdevs", &vm->dt_devices, err) < 0 ||
	    parse_iomems(&hw, vm, err) < 0)
		return -1;
	if (vm->vcpus == 0 && json_get(&hw, "vcpus", &value))
		return json_error(err, &value, "a machine needs a processor");
	if (vm->memory_bytes == 0 && json_get(&hw, "memory", &value))
		return json_error(err, &value, "a machine needs memory");
	return parse_irqs(&hw, vm, err);
}

int spec_parse_vm(const struct json *at, struct oci_vm *vm, struct err *err)
{
	vm->present = true;
	if (parse_hypervisor(at, vm, err) < 0 || parse_kernel(at, vm, err) < 0 ||
	    parse_image(at, vm, err) < 0)
		return -1;
	return parse_hardware(at, vm, err);
}

static void format_hardware(struct json_object *vm_obj, const struct oci_vm *vm)
{
	struct json_object *hw, *list = NULL, *item;

	if (!vm->has_hardware)
		return;
	hw = json_add_object(vm_obj, "hwConfig");
	json_add_str(hw, "deviceTree", vm->device_tree_path);
	if (vm->vcpus != OCI_UNSET)
		json_add_i64(hw, "vcpus", vm->vcpus);
	if (vm->memory_bytes != OCI_UNSET)
		json_add_i64(hw, "memory", vm->memory_bytes);
	json_add_strv(hw, "dtdevs", &vm->dt_devices);
	if (vm->n_iomems)
		list = json_add_array(hw, "iomems");
	for (size_t i = 0; i < vm->n_iomems; i++) {
		json_object_array_add(list, item = json_object_new_object());
		json_add_u64(item, "firstGFN", vm->iomems[i].first_gfn);
		json_add_u64(item, "firstMFN", vm->iomems[i].first_mfn);
		json_add_u64(item, "nrMFNs", vm->iomems[i].count);
	}
	if (vm->n_irqs)
		list = json_add_array(hw, "irqs");
	for (size_t i = 0; i < vm->n_irqs; i++)
		json_object_array_add(list, json_object_new_int64(vm->irqs[i]));
}

void spec_format_vm(struct json_object *root, const struct oci_vm *vm)
{
	struct json_object *vm_obj, *o;

	if (!vm->present)
		return;
	vm_obj = json_add_object(root, "vm");
	if (vm->hypervisor_path) {
		o = json_add_object(vm_obj, "hypervisor");
		json_add_str(o, "path", vm->hypervisor_path);
		json_add_strv(o, "parameters", &vm->hypervisor_parameters);
	}
	o = json_add_object(vm_obj, "kernel");
	json_add_str(o, "path", vm->kernel_path);
	json_add_strv(o, "parameters", &vm->kernel_parameters);
	json_add_str(o, "initrd", vm->initrd_path);
	if (vm->image_path) {
		o = json_add_object(vm_obj, "image");
		json_add_str(o, "path", vm->image_path);
		json_add_str(o, "format", vm->image_format);
	}
	format_hardware(vm_obj, vm);
}
