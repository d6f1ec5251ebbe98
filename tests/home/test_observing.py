"""The settings of logs and training metrics in node.toml."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmhub.errors import BadInput, HomeError
from swarmhub.home.config import Config, encode_config, parse_config
from swarmhub.home.tracking import TrackTarget, parse_track

CONFIG = Config("A", "ledger.sqlite", "a.example.org:7400", "0.0.0.0:7400")


@pytest.mark.parametrize(
    ("text", "kind", "place"),
    [
        ("mlflow:http://127.0.0.1:5000", "mlflow", "http://127.0.0.1:5000"),
        ("mlflow:https://mlflow.example.org/x", "mlflow", "https://mlflow.example.org/x"),
        ("mlflow:/srv/ml runs", "mlflow", "/srv/ml runs"),
        ("tensorboard:/srv/runs", "tensorboard", "/srv/runs"),
    ],
)
def test_a_target_is_a_kind_and_a_place(text, kind, place):
    assert parse_track(text) == TrackTarget(kind, place)
    assert str(parse_track(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "mlflow", "mlflow:", "mlflow:runs", "mlflow:http://", "mlflow:ftp://a", "wandb:/x",
     "mlflow:http://user:secret@a", "mlflow:http://a:99999", "mlflow:http://[::1",
     "tensorboard:http://a", "tensorboard:runs", "tensorboard:s3://a", "tensorboard:/a\nb",
     "tensorboard:/" + "a" * 2000, "mlflow:databricks"],
)  # fmt: skip
def test_another_text_is_one_sentence(text, tmp_path):
    with pytest.raises(BadInput, match="Expected 'mlflow:http://HOST:PORT'"):
        parse_track(text)
    if text:
        with pytest.raises(HomeError, match=r"node\.toml: 'track': Expected"):
            parse_config(encode_config(replace(CONFIG, track=text)).decode(), tmp_path)


def test_a_password_is_not_repeated():
    with pytest.raises(BadInput) as caught:
        parse_track("mlflow:http://user:secret@a")
    assert "secret" not in str(caught.value)


def test_settings_are_read_back(tmp_path):
    config = replace(CONFIG, log_format="json", track="tensorboard:/srv/runs")
    assert parse_config(encode_config(config).decode(), tmp_path) == config
    assert b"log_format" not in encode_config(CONFIG)


def test_another_log_format_is_one_sentence(tmp_path):
    text = encode_config(replace(CONFIG, log_format="xml")).decode()
    with pytest.raises(HomeError, match="expected 'text' or 'json' for 'log_format', got 'xml'"):
        parse_config(text, tmp_path)
