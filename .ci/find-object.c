/* gcc's unwinder asks glibc for the unwinding tables of an address; where musl is the C library,
   this answers from the program's own headers. */
#define _GNU_SOURCE
#include <link.h>
#include <stddef.h>

/* As glibc 2.35 lays it out on every architecture that names no dbase. */
struct dl_find_object {
    unsigned long long flags;
    void *start;
    void *end;
    struct link_map *map;
    void *tables;
    unsigned long long reserved[7];
};

struct search {
    char *address;
    struct dl_find_object *found;
};

static int look(struct dl_phdr_info *program, size_t size, void *data) {
    struct search *search = data;
    struct dl_find_object *found = search->found;
    (void)size;
    found->start = NULL;
    found->tables = NULL;
    for (int i = 0; i < program->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &program->dlpi_phdr[i];
        char *start = (char *)program->dlpi_addr + part->p_vaddr;
        char *end = start + part->p_memsz;
        if (part->p_type == PT_GNU_EH_FRAME) found->tables = start;
        if (part->p_type == PT_LOAD && start <= search->address && search->address < end) {
            found->start = start;
            found->end = end;
        }
    }
    return found->start != NULL && found->tables != NULL;
}

int _dl_find_object(void *address, struct dl_find_object *found) {
    struct search search = {address, found};
    found->flags = 0;
    found->map = NULL;
    return dl_iterate_phdr(look, &search) ? 0 : -1;
}
