"""Writes XDF 1.0 chunk by chunk, so that a test may also write a chunk that is wrong."""

import struct
from xml.sax.saxutils import escape

MAGIC = b"XDF:"
FORMATS = {"float32": "f", "double64": "d", "int16": "h", "int32": "i"}


def chunk(tag, content):
    return b"\x04" + struct.pack("<IH", len(content) + 2, tag) + content


def file_header(made="2022-06-02T19:12:37+0200"):
    return chunk(1, f"<info><version>1.0</version><datetime>{made}</datetime></info>".encode())


def stream_header(
    number, *, name="stream", type_="EEG", sfreq=100.0, format_="float32", channels=(("", "", ""),)
):
    about = "".join(
        f"<channel><label>{escape(label)}</label><type>{kind}</type><unit>{unit}</unit></channel>"
        for label, kind, unit in channels
    )
    return chunk(
        2,
        struct.pack("<I", number)
        + (
            f"<info><name>{name}</name><type>{type_}</type><channel_count>{len(channels)}</channel_count>"
            f"<nominal_srate>{sfreq}</nominal_srate><channel_format>{format_}</channel_format>"
            f"<desc><channels>{about}</channels></desc></info>"
        ).encode(),
    )


def samples(number, stamps, data, *, format_="float32"):
    """``data`` is (n_channels, n_samples), or one list of texts."""
    parts = [struct.pack("<I", number), b"\x04", struct.pack("<I", len(stamps))]
    for index, stamp in enumerate(stamps):
        parts.append(b"\x08" + struct.pack("<d", stamp))
        if format_ == "string":
            text = data[index].encode()
            parts.append(b"\x04" + struct.pack("<I", len(text)) + text)
        else:
            row = [channel[index] for channel in data]
            parts.append(struct.pack(f"<{len(row)}{FORMATS[format_]}", *row))
    return chunk(3, b"".join(parts))


def clock_offset(number, time, offset):
    return chunk(4, struct.pack("<Idd", number, time, offset))


def stream_footer(number):
    return chunk(6, struct.pack("<I", number) + b"<info><sample_count>0</sample_count></info>")
