"""What a benchmark runs: a TOML file into arms, data sets, seeds and the settings they share.

    name = "mine"
    seeds = [0, 1, 2]
    arms = ["baseline-weighted", "proposed", "heatmap-mse", "my-arm"]
    reference = "proposed"             # the arm whose difference to every other is printed
    repeat = ["proposed"]              # arms run with every seed; the others with the first. Default: all
    recipe = "paper-small"             # what all arms begin with
    [settings.train]                   # laid over the recipe: the common budget
    epochs = 28
    [few_images]                       # error against the number of training images
    sizes = [10, 25, 50]
    arms = ["proposed", "heatmap-mse"]
    steps = 3500                       # every training's optimiser steps, instead of settings.train.epochs
    tune_steps = 700                   # those of a training that only chooses a setting
    watch_images = 20                  # training images outside the few that teach; they give the curve and choose
    tune = { "train.learning_rate" = [1e-4, 1e-3] }  # chosen for every arm, before its own
    [[stage]]                          # what is run, in this order, instead of repeat, few_images and all_images
    arms = ["proposed"]
    data = ["hips"]                    # default: all
    images = [50]                      # default: all
    seeds = [0, 1]                     # default: the grid's
    [[data]]
    name = "hips"
    annotations = "points.csv"         # with folds, or a split column; or train = "a.csv" and test = "b.csv"
    images = "films"
    folds = 5
    [[data]]
    name = "knee"
    phantom = "knee-radiograph"        # drawn, not read
    train_images = 48
    test_images = 40
    [[arm]]                            # your own method: settings laid over the common ones ...
    name = "my-arm"
    asks = "Is 30 px enough?"
    settings.labels.dilate_px = 30
    [[arm]]                            # ... or another program's predictions, in the columns of the annotations
    name = "their-program"
    predictions = "theirs/{data}.csv"

Paths are relative to the grid file, or to --data.
"""

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from string import ascii_letters, digits
from typing import Any, Literal, cast

from radmark.config import PAPER_SIZE_PX, Config, from_tree, names_of, read_recipe, read_toml, to_tree
from radmark.core.errors import InputError

Tree = Mapping[str, Mapping[str, Any]]

WATCH_IMAGES = 20
"""How many training images beyond those that teach are watched, where steps are held."""

_GRIDS = resources.files("radmark.benchmark") / "grids"
_NAME_CHARACTERS = set(ascii_letters + digits + "+-_.")


@dataclass(frozen=True)
class Arm:
    """One way to train, or another program's predictions.

    Args:
        name: in tables and file names.
        asks: the one sentence it tests.
        settings: laid over the grid's.
        tune: settings whose value the inner validation part chooses, "section.key" -> candidates; several are chosen one after
            the other in the order given, each with the ones before it held.
        scored_on: "rotated" scores test images that were turned while their points were not, a slip of the released
            programs kept for measuring it.
        predictions: a CSV for each data set, `{data}` its name, instead of training.
    """

    name: str
    asks: str
    settings: Tree = field(default_factory=dict[str, Mapping[str, Any]])
    tune: Mapping[str, Sequence[Any]] = field(default_factory=dict[str, Sequence[Any]])
    scored_on: Literal["upright", "rotated"] = "upright"
    predictions: str | None = None

    def trains_like(self, other: "Arm") -> bool:
        """Whether the two share a trained model."""
        return (self.settings, self.tune, self.predictions) == (other.settings, other.tune, other.predictions)


@dataclass(frozen=True)
class Source:
    """Where a data set comes from: one table with folds or a split column, two tables, or phantoms.

    Args:
        name: in tables and file names.
        annotations: one table of everything.
        train: a table of the training images, with `test`.
        test: a table of the images that are scored.
        images: folder of the radiographs.
        folds: of cross-validation over patients; 0: the split the table states.
        reader: who made the truth.
        scheme: a shipped scheme's name or a file.
        spacing_mm: (x, y) millimetres per pixel; None: as the table or the files say.
        phantom: kind of phantoms to draw instead.
        train_images: how many of them to train on.
        test_images: how many others to score.
        size: longer side of a phantom in pixels.
        published: landmark name -> a published error in mm on other data, for Table 2.
        published_by: whose figures those are.
    """

    name: str
    annotations: str | None = None
    train: str | None = None
    test: str | None = None
    images: str | None = None
    folds: int = 0
    reader: str | None = None
    scheme: str | None = None
    spacing_mm: tuple[float, float] | None = None
    phantom: str | None = None
    train_images: int = 48
    test_images: int = 40
    size: int = 512
    published: Mapping[str, float] = field(default_factory=dict[str, float])
    published_by: str = ""


@dataclass(frozen=True)
class FewImages:
    """Error against the number of training images.

    Args:
        sizes: numbers of training images, besides all of them.
        arms: which arms; none named: all that train.
        most_epochs: training on n of N images has N / n times the epochs, so that the budget stays the same, but at most
            this many times.
    """

    sizes: tuple[int, ...] = ()
    arms: tuple[str, ...] = ()
    most_epochs: float = 10.0


@dataclass(frozen=True)
class Stage:
    """A part of a benchmark that is done before the next one is begun.

    Args:
        arms: names of the arms.
        data: names of the data sets; none named: all.
        images: numbers of training images; none named: all images.
        seeds: of training; none named: the grid's.
    """

    arms: tuple[str, ...]
    data: tuple[str, ...] = ()
    images: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Grid:
    """A whole benchmark.

    Args:
        name: of the grid.
        title: of the page.
        config: what all arms share.
        arms: in the order of the tables.
        data: in the order of the tables.
        seeds: of training; the first is that of arms that are not repeated.
        repeat: names of the arms run with every seed.
        reference: name of the arm the others are compared with.
        few_images: the learning curve over training set sizes.
        all_images: also train on all images; False: on the sizes of `few_images` only.
        steps: optimiser steps every training has, whatever its number of images, to within an epoch; None: the settings' epochs.
        tune: settings chosen for every arm, before those it chooses itself.
        tune_steps: steps of a training that only chooses a setting; None: a whole one, which is kept if its value is chosen.
        watch_images: with `steps` and fewer than all images, how many of the other training images are the validation part.
        stages: what is run, in this order; none: all arms, then the other seeds, then fewer images.
        scored_on_px: side of the letterboxed grid in whose pixels errors are counted, whatever size the network has.
        keep_models: keep each cell's trained model.
        base: folder that paths are relative to.
    """

    name: str
    title: str
    config: Config
    arms: tuple[Arm, ...]
    data: tuple[Source, ...]
    seeds: tuple[int, ...]
    repeat: tuple[str, ...]
    reference: str
    few_images: FewImages
    all_images: bool
    steps: int | None
    tune: Mapping[str, Sequence[Any]]
    tune_steps: int | None
    watch_images: int
    stages: tuple[Stage, ...]
    scored_on_px: int
    keep_models: bool
    base: Path

    def arm(self, name: str) -> Arm:
        """The arm of that name."""
        return next(arm for arm in self.arms if arm.name == name)

    @property
    def sizes(self) -> tuple[int | None, ...]:
        """Every number of training images that is asked for; None: all images."""
        if not self.stages:
            return (*([None] if self.all_images else []), *self.few_images.sizes)
        return tuple(dict.fromkeys(n for stage in self.stages for n in stage.images or (None,)))

    def tuned(self, arm: Arm) -> Mapping[str, Sequence[Any]]:
        """The settings that are chosen for an arm, in order, each with its candidates; an arm's own candidates win."""
        return {**self.tune, **arm.tune}

    def config_of(self, arm: Arm, *, changes: Tree | None = None) -> Config:
        """What `arm` trains with; `changes` come on top.

        Raises:
            InputError: the arm's settings are not settings.
        """
        return _laid_over(self.config, (arm.settings, changes or {}), f"arm {arm.name}")


def shipped_grids() -> tuple[str, ...]:
    """Names of the grids that come with radmark."""
    return names_of(_GRIDS)


def shipped_arms() -> tuple[Arm, ...]:
    """The arms that come with radmark."""
    text = (resources.files("radmark.benchmark") / "arms.toml").read_text(encoding="utf-8")
    return tuple(_record(Arm, table, "arms.toml") for table in tomllib.loads(text)["arm"])


def read_grid(name_or_path: str, *, data: Path | None = None, changes: Tree | None = None) -> Grid:
    """A grid by its shipped name, or from a TOML file.

    Args:
        name_or_path: "smoke", "ceph", … or a file.
        data: folder that the data sets' paths are relative to; by default the grid file's own.
        changes: settings laid over those of the grid, such as where the encoder's weights are.

    Raises:
        InputError: there is no such grid, or something in it is not what a grid has, with the file, the key, the value.
    """
    tree = read_toml("grid", name_or_path, _GRIDS)
    base = Path.cwd() if name_or_path in shipped_grids() else Path(name_or_path).parent
    return _grid(tree, name_or_path, data or base, changes or {})


_GRID_KEYS = (
    "name", "title", "recipe", "settings", "arms", "arm", "data", "seeds", "repeat", "reference", "few_images",
    "all_images", "steps", "tune", "tune_steps", "watch_images", "stage", "scored_on_px", "keep_models",
)  # fmt: skip


def _grid(tree: Mapping[str, Any], file: str, base: Path, changes: Tree) -> Grid:
    _only(tree, _GRID_KEYS, file, "the grid")
    known = {arm.name: arm for arm in shipped_arms()}
    known |= {arm.name: arm for arm in (_record(Arm, table, file) for table in _tables(tree, "arm", file))}
    for arm in known.values():
        _candidates(arm.tune, f"arm {arm.name}: tune", file)
    names = _strings(tree.get("arms", [arm["name"] for arm in _tables(tree, "arm", file)]), "arms", file)
    arms = tuple(known[_one_of(name, known, "arms", file)] for name in names)
    if not arms:
        raise InputError("the grid names no arm", file=file, remedy=f"Give arms = [...], from {', '.join(known)}")
    sources = tuple(_source(table, file) for table in _tables(tree, "data", file))
    if not sources:
        raise InputError("the grid names no data set", file=file, remedy="Give at least one [[data]] table")
    for what, given in (("arm", names), ("data set", [source.name for source in sources])):
        for name in given:
            if given.count(name) > 1 or not name or not set(name) <= _NAME_CHARACTERS:
                raise InputError(
                    f"the name of an {what} appears twice or holds more than letters, digits and + - _ ."
                    if what == "arm"
                    else "the name of a data set appears twice or holds more than letters, digits and + - _ .",
                    file=file,
                    value=name,
                    remedy="Give each a name of its own; it becomes a folder",
                )
    seeds = _seeds(tree.get("seeds", [0]), file)
    few = _record(FewImages, tree.get("few_images", {}), file)
    repeat = _strings(tree.get("repeat", list(names)), "repeat", file)
    reference = tree.get("reference", names[0])
    for key, wanted in (("repeat", repeat), ("reference", (reference,)), ("few_images.arms", few.arms)):
        for name in wanted:
            _one_of(name, dict.fromkeys(names), key, file)
    config = _laid_over(read_recipe(tree.get("recipe", "paper-small")), (tree.get("settings", {}), changes), file)
    grid = Grid(
        name=str(tree.get("name", Path(file).stem)),
        title=str(tree.get("title", tree.get("name", Path(file).stem))),
        config=config,
        arms=arms,
        data=sources,
        seeds=seeds,
        repeat=repeat,
        reference=reference,
        few_images=few,
        all_images=bool(tree.get("all_images", True)),
        steps=_whole(tree["steps"], "steps", file) if "steps" in tree else None,
        tune=_candidates(tree.get("tune", {}), "tune", file),
        tune_steps=_whole(tree["tune_steps"], "tune_steps", file) if "tune_steps" in tree else None,
        watch_images=_whole(tree.get("watch_images", WATCH_IMAGES), "watch_images", file),
        stages=tuple(_stage(table, file) for table in _tables(tree, "stage", file)),
        scored_on_px=_whole(tree.get("scored_on_px", PAPER_SIZE_PX), "scored_on_px", file),
        keep_models=bool(tree.get("keep_models", True)),
        base=base,
    )
    _check_plan(grid, tree, file)
    for arm in arms:
        _check_arm(grid, arm, file)
    return grid


def _check_plan(grid: Grid, tree: Mapping[str, Any], file: str) -> None:
    """Nothing is said twice or to no effect."""
    held = ("epochs", "validate_every")  # follow from the steps
    settings = [tree.get("settings", {}), *(arm.settings for arm in grid.arms)]
    for wrong, what, value, remedy in (
        (
            grid.steps is not None and any(key in layer.get("train", {}) for layer in settings for key in held),
            f"the grid gives steps, and {' or '.join(held)} too",
            grid.steps,
            "Give one of the two: epochs follow from steps",
        ),
        (
            grid.steps is None and ("tune_steps" in tree or "watch_images" in tree),
            "tune_steps and watch_images are for grids that give steps",
            None,
            "Give steps too, or omit them",
        ),
        (
            bool(grid.stages) and any(key in tree for key in ("repeat", "few_images", "all_images")),
            "the grid gives stages, and repeat, few_images or all_images too",
            None,
            "Say in each [[stage]] what it holds: arms, data, images, seeds",
        ),
        (not grid.sizes, "the grid trains on no number of images", None, "Give few_images.sizes, or all_images = true"),
    ):
        if wrong:
            raise InputError(what, file=file, value=value, remedy=remedy)
    sources = [source.name for source in grid.data]
    for stage in grid.stages:
        for name in stage.arms:
            _one_of(name, {arm.name: arm for arm in grid.arms}, "stage.arms", file)
        for name in stage.data:
            if name not in sources:
                raise InputError(
                    "a stage names a data set there is not", file=file, value=name, remedy=f"Use {', '.join(sources)}"
                )


def _check_arm(grid: Grid, arm: Arm, file: str) -> None:
    """Every setting an arm could train with is one; found now and not an hour later."""
    tuned = {} if arm.predictions is not None else grid.tuned(arm)
    watched = grid.steps is not None and None not in grid.sizes
    if tuned and grid.config.data.validation_fraction == 0 and not watched:
        raise InputError(
            f"arm {arm.name} is tuned, but there is no inner validation part to tune it on",
            file=file,
            value=0,
            remedy="Keep a validation_fraction",
        )
    for candidate in [{}, *({key: value} for key, values in tuned.items() for value in values)]:
        first = {key: values[0] for key, values in tuned.items()}
        grid.config_of(arm, changes=changes({**first, **candidate}))


def changes(chosen: Mapping[str, Any]) -> Tree:
    """ "labels.sigma_px" -> a value, as nested tables.

    Raises:
        InputError: a key does not name a section and a setting.
    """
    tables: dict[str, dict[str, Any]] = {}
    for key, value in chosen.items():
        section, dot, name = key.partition(".")
        if not dot:
            raise InputError("a tuned setting needs its section", value=key, remedy='Write it as "labels.sigma_px"')
        tables.setdefault(section, {})[name] = value
    return tables


def _laid_over(config: Config, layers: Sequence[Tree], file: str) -> Config:
    tree = to_tree(config)
    for layer in layers:
        for section, table in layer.items():
            tree[section] = {**tree.get(section, {}), **table}
    return from_tree(tree, file)


def _stage(table: Mapping[str, Any], file: str) -> Stage:
    """A stage; its seeds may hold a 0, which the other lists of whole numbers may not."""
    seeds = _seeds(table["seeds"], file) if "seeds" in table else ()
    stage: Stage = _record(Stage, {key: value for key, value in table.items() if key != "seeds"}, file)
    return dataclasses.replace(stage, seeds=seeds)


def _seeds(value: Any, file: str) -> tuple[int, ...]:
    if not isinstance(value, list) or not value or any(type(s) is not int or s < 0 for s in cast("list[Any]", value)):
        raise InputError(
            "seeds is not a list of whole numbers", file=file, value=value, remedy="Give seeds = [0, 1, 2]"
        )
    return tuple(cast("list[int]", value))


def _candidates(value: Any, key: str, file: str) -> Mapping[str, Sequence[Any]]:
    given = cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {"": None}
    if not all(isinstance(values, list) and values for values in given.values()):
        raise InputError(
            f"{key} does not give each setting a list of values",
            file=file,
            value=value,
            remedy='Write tune = { "train.learning_rate" = [1e-4, 1e-3] }',
        )
    return given


def _source(table: Mapping[str, Any], file: str) -> Source:
    if isinstance(table.get("spacing_mm"), int | float):
        table = {**table, "spacing_mm": [table["spacing_mm"]] * 2}
    source = _record(Source, table, file)
    given = (source.phantom is not None, source.annotations is not None, source.train is not None)
    if sum(given) != 1 or (source.train is None) != (source.test is None) or (source.images is None) != given[0]:
        raise InputError(
            f"data set {source.name} does not say clearly where it comes from",
            file=file,
            remedy="Give phantom; or annotations and images; or train, test and images",
        )
    if source.folds < 0 or source.folds == 1 or (source.folds and not given[1]):
        raise InputError(
            f"data set {source.name} cannot be cross-validated like this",
            file=file,
            value=source.folds,
            remedy="Give annotations and folds = 2 or more; without folds the split column is used",
        )
    return source


def _record(kind: Any, table: Any, file: str) -> Any:
    """A table as one of the dataclasses above: known keys, values of the right sort."""
    if not isinstance(table, Mapping):
        raise InputError(f"{kind.__name__} is not a table", file=file, value=table, remedy="Write it as a TOML table")
    given = cast("Mapping[str, Any]", table)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    _only(given, tuple(fields), file, f"a table of {kind.__name__}")
    for name, f in fields.items():
        if name not in given and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise InputError(f"a table of {kind.__name__} has no {name}", file=file, remedy=f"Give it a {name}")
    return kind(**{key: _value(value, fields[key].type, key, file) for key, value in given.items()})


def _value(value: Any, kind: Any, key: str, file: str) -> Any:
    if isinstance(value, list):
        value = tuple(cast("list[Any]", value))
    fits = {
        str: isinstance(value, str),
        str | None: isinstance(value, str),
        int: type(value) is int and value >= 0,
        float: isinstance(value, int | float) and value > 0,
    }
    if kind in fits:
        right = fits[kind]
    elif "tuple[int" in str(kind):
        right = isinstance(value, tuple) and all(type(v) is int and v > 0 for v in cast("tuple[Any]", value))
    elif "tuple[str" in str(kind):
        right = isinstance(value, tuple) and all(isinstance(v, str) for v in cast("tuple[Any]", value))
    elif "tuple[float" in str(kind):
        pair: tuple[Any, ...] = value if isinstance(value, tuple) else ()
        right = len(pair) == 2 and all(isinstance(v, int | float) and v > 0 for v in pair)
    elif "Literal" in str(kind):
        right = value in kind.__args__
    else:
        right = isinstance(value, Mapping)
    if not right:
        raise InputError(
            f"{key} has a value it cannot take", file=file, value=value, remedy="See `radmark benchmark --help`"
        )
    return value


def _only(table: Mapping[str, Any], known: Sequence[str], file: str, what: str) -> None:
    for key in table:
        if key not in known:
            raise InputError(f"{what} has no such key", file=file, value=key, remedy=f"Use one of: {', '.join(known)}")


def _one_of(name: str, known: Mapping[str, Any], key: str, file: str) -> str:
    if name not in known:
        raise InputError(f"{key} names an arm there is not", file=file, value=name, remedy=f"Use {', '.join(known)}")
    return name


def _tables(tree: Mapping[str, Any], key: str, file: str) -> list[Mapping[str, Any]]:
    tables = tree.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(t, Mapping) for t in cast("list[Any]", tables)):
        raise InputError(f"{key} is not a list of tables", file=file, remedy=f"Write each as [[{key}]]")
    return cast("list[Mapping[str, Any]]", tables)


def _strings(value: Any, key: str, file: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in cast("list[Any]", value)):
        raise InputError(f"{key} is not a list of names", file=file, value=value, remedy=f'Write {key} = ["proposed"]')
    return tuple(cast("list[str]", value))


def _whole(value: Any, key: str, file: str) -> int:
    if type(value) is not int or value < 1:
        raise InputError(f"{key} is not a whole number above 0", file=file, value=value, remedy=f"Give {key} = 512")
    return value
