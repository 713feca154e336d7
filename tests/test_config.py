"""Recipes and settings: every shipped recipe parses, every field is proven to reach the code elsewhere or refused here."""

import dataclasses
from importlib import resources
from pathlib import Path

import pytest

from radmark.config import (
    Config,
    DataConfig,
    LabelConfig,
    ModelConfig,
    names_of,
    read_recipe,
    to_toml,
)
from radmark.core import InputError


@pytest.mark.parametrize("name", names_of(resources.files("radmark") / "recipes"))
def test_every_shipped_recipe_is_valid(name: str) -> None:
    assert isinstance(read_recipe(name), Config)


def test_the_paper_recipe_is_the_papers() -> None:
    paper = read_recipe("paper")
    assert (paper.model.encoder, paper.model.encoder_weights, paper.data.size) == ("resnet101", "imagenet", 512)
    assert paper.model.decoder_channels == (256, 128, 64, 32, 16)
    assert (paper.labels.dilate_px, paper.labels.erode_px, paper.labels.erode_every) == (65, 10, 50)
    assert (paper.train.epochs, paper.train.batch_size, paper.train.learning_rate) == (350, 18, 1e-4)
    assert paper.labels.loss == "cross-entropy"
    assert paper.augment.rotate_deg == 0


def test_a_config_written_as_toml_reads_back_the_same(tmp_path: Path) -> None:
    config = Config(
        data=DataConfig(size=96, stratify='a "quoted" column'),
        model=ModelConfig(encoder_weights="C:\\weights\\w.safetensors", decoder_channels=(1, 2, 3, 4, 5)),
        labels=LabelConfig(loss="softmax", reweight=False),
    )
    file = tmp_path / "config.toml"
    file.write_text(to_toml(config), encoding="utf-8")
    assert read_recipe(str(file)) == config


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[train]\nepoch = 3\n", "epoch"),
        ("[training]\nepochs = 3\n", "training"),
        ("[train]\nepochs = 3.5\n", "3.5"),
        ("[train]\nepochs = true\n", "True"),
        ("[labels]\nloss = 'mse'\n", "mse"),
        ("[data]\nsize = 100\n", "100"),
        ("[train]\nepochs = \n", "TOML"),
        ("[model]\ndecoder_channels = [1, 2]\n", "decoder_channels"),
        ("[model]\nstride = 3\n", "stride"),
        ("[model]\nlevels = 5\nstride = 2\n[labels]\nloss = 'softmax'\n", "Give 1 to 4"),
        ("[model]\nlevels = 2\n", "only distributions"),
        ("[train]\nselect = 'best'\n[data]\nvalidation_fraction = 0\n", "select"),
        ("[train]\nvalidate_every = 0\n", "validate_every"),
        ("[labels]\nloss = 'softmax'\nstart_at_rate = true\n", "start_at_rate.*softmax"),
        ("[labels]\nshape = 'everywhere'\nstart_at_rate = true\n", "start_at_rate.*everywhere"),
    ],
)
def test_a_wrong_recipe_is_refused_with_the_key_and_the_value(text: str, named: str, tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=named):
        read_recipe(str(file))


def test_an_unknown_recipe_names_the_shipped_ones() -> None:
    with pytest.raises(InputError, match=r"paper.*or the path"):
        read_recipe("papr")


def test_every_setting_has_a_docstring_for_its_help() -> None:
    # tyro reads the docstrings from the source; so does this.
    source = Path(str(__import__("radmark.config").config.__file__)).read_text(encoding="utf-8").splitlines()
    for section in dataclasses.fields(Config):
        for setting in dataclasses.fields(section.type):  # pyright: ignore[reportArgumentType]
            line = next(i for i, text in enumerate(source) if text.startswith(f"    {setting.name}: "))
            assert source[line + 1].startswith('    """'), setting.name
