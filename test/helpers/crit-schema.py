# Every message that Debian's pycriu knows, from its protobuf descriptors:
#   {"messages": {"vma_entry": {"start": "1 uint64! hex", ...}}, "enums": {"fstype": {"PROC": 1, ...}}, "magics": {"CORE": 1426405447}}
import glob
import importlib
import json
import os
import sys

from google.protobuf.descriptor import FieldDescriptor
from pycriu.images import images, magic
import opts_pb2

TYPES = {number: name[5:].lower() for name, number in vars(FieldDescriptor).items() if name.startswith('TYPE_')}
CARDINALITY = {FieldDescriptor.LABEL_REQUIRED: '!', FieldDescriptor.LABEL_OPTIONAL: '?', FieldDescriptor.LABEL_REPEATED: '*'}
messages, enums = {}, {}


def type_of(field):
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return field.message_type.name
    if field.type == FieldDescriptor.TYPE_ENUM:
        keep_enum(field.enum_type)
        return field.enum_type.name
    return TYPES[field.type]


def annotations(field):
    told = field.GetOptions().Extensions[opts_pb2.criu]
    words = [word for word in ('hex', 'dev', 'odev', 'ipadd') if getattr(told, word)]
    return words + ['%s:%s' % (word, getattr(told, word)) for word in ('flags', 'dict', 'conv') if getattr(told, word)]


def keep_enum(enum):
    enums[enum.name] = {value.name: value.number for value in enum.values}


def keep_message(message):
    messages[message.name] = {
        field.name: ' '.join(['%d %s%s' % (field.number, type_of(field), CARDINALITY[field.label])] + annotations(field))
        for field in message.fields
    }


for path in glob.glob(os.path.join(os.path.dirname(images.__file__), '*_pb2.py')):
    module = importlib.import_module(os.path.basename(path)[:-3])
    for message in module.DESCRIPTOR.message_types_by_name.values():
        keep_message(message)
    for enum in module.DESCRIPTOR.enum_types_by_name.values():
        keep_enum(enum)
json.dump({'messages': messages, 'enums': enums, 'magics': magic.by_name}, sys.stdout)
