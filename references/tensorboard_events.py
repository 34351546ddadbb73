"""An event file from TensorBoard's own package, with every kind of record that dvm writes.

`crates/dvm-train/src/tensorboard/events.rs` writes the same events and compares bytes.
"""

import io

from PIL import Image
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

from store import destination, replace

TIME = 1764000000.25


def main() -> None:
    png = io.BytesIO()
    Image.new("RGB", (1, 1)).save(png, "PNG")
    replace(destination("dvm-train", "pixel.png"), png.getvalue())

    start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    text = "| ключ | value |\n|---|---|\n" * 20
    events = [
        event_pb2.Event(wall_time=TIME, file_version="brain.Event:2"),
        event_pb2.Event(wall_time=TIME, step=5, session_log=start),
        scalar("loss/train", 0, TIME, 0.0),
        scalar("loss/train", 1, TIME + 1, 0.125),
        scalar("loss/val", 300, TIME, float("nan")),
        scalar("accuracy/val", 1 << 40, TIME, -1.5e-20),
        image("maps/tulips 1", 129, TIME, png.getvalue(), width=200, height=1),
        text_event("config", 0, TIME, text),
    ]
    content = io.BytesIO()
    writer = RecordWriter(content)
    for event in events:
        writer.write(event.SerializeToString(deterministic=True))
    replace(destination("dvm-train", "events.tfevents"), content.getvalue())


def summary(value, step, time) -> event_pb2.Event:
    return event_pb2.Event(wall_time=time, step=step, summary=summary_pb2.Summary(value=[value]))


def scalar(tag, step, time, number) -> event_pb2.Event:
    return summary(summary_pb2.Summary.Value(tag=tag, simple_value=number), step, time)


def image(tag, step, time, png, width, height) -> event_pb2.Event:
    picture = summary_pb2.Summary.Image(
        height=height, width=width, colorspace=3, encoded_image_string=png
    )
    return summary(summary_pb2.Summary.Value(tag=tag, image=picture), step, time)


def text_event(tag, step, time, markdown) -> event_pb2.Event:
    """As `SummaryWriter.add_text` of torch.utils.tensorboard writes it, but for its tag's suffix."""
    tensor = tensor_pb2.TensorProto(
        dtype=types_pb2.DT_STRING,
        tensor_shape=tensor_shape_pb2.TensorShapeProto(
            dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)]
        ),
        string_val=[markdown.encode()],
    )
    plugin = summary_pb2.SummaryMetadata.PluginData(plugin_name="text")
    metadata = summary_pb2.SummaryMetadata(plugin_data=plugin)
    value = summary_pb2.Summary.Value(tag=tag, tensor=tensor, metadata=metadata)
    return summary(value, step, time)


if __name__ == "__main__":
    main()
