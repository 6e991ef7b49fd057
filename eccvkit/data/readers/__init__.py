"""Readers of published data sets, from the files their publishers hand out.

Nothing is downloaded. Every reader takes the folder that holds the files (``root``); without one it
uses the environment variable ``ECCVKIT_DATA``. Readers of labelled images return a
:class:`Labelled`: images as ``uint8``, channel last, labels as ``int64``, and the class names;
readers of meshes a :class:`~eccvkit.data.meshes.Meshes`; readers of masks boolean arrays. A file
that is missing, damaged or does not fit its neighbour is a
:class:`~eccvkit.errors.DataError` of one
line that names file and remedy.

==============  =========================  ========================================================
Data set        Function                   Files expected in ``root`` (or in the folder named)
==============  =========================  ========================================================
MNIST           :func:`mnist`              ``mnist/``: ``train-images-idx3-ubyte``,
                                           ``train-labels-idx1-ubyte``, the same two with ``t10k``
                                           for ``train``; with or without ``.gz``
Fashion-MNIST   :func:`fashion_mnist`      ``fashion-mnist/``: files named as those of MNIST
any IDX file    :func:`read_idx`           one file, with or without ``.gz``
CIFAR-10        :func:`cifar10`            ``cifar-10-batches-py/``: ``data_batch_1`` to ``_5``,
                                           ``test_batch``, ``batches.meta``
CIFAR-100       :func:`cifar100`           ``cifar-100-python/``: ``train``, ``test``, ``meta``
SVHN (cropped)  :func:`svhn`               ``svhn/``: ``train_32x32.mat``, ``test_32x32.mat``,
                                           ``extra_32x32.mat``
Tiny ImageNet   :func:`tiny_imagenet`      ``tiny-imagenet-200/``: ``train/<wnid>/images/*.JPEG``,
                                           ``val/val_annotations.txt``, ``val/images/``
ImageNet-LT     :func:`read_list`          a list file of lines ``path label``, and the images it
                                           names below ``root``; also for lists of other sets
Air-300         :func:`image_folder`       ``<class>/<image>.jpg`` (or png, bmp, gif, ppm, pgm,
                                           tif, webp); also for other sets sorted into folders
FAUST           :func:`read_faust`         ``tr_reg_000.ply`` to ``tr_reg_099.ply``, or
                                           ``MPI-FAUST/training/registrations/``
COMA            :func:`read_coma`          ``coma/<subject>/<expression>/*.ply``
any mesh        :func:`read_mesh`          one PLY, OFF or OBJ file
any meshes      :func:`read_mesh_folder`   a folder of them with the same faces
DRIVE           :func:`read_drive`         ``DRIVE/``: ``training/``, ``test/`` with ``images/``,
                                           ``1st_manual/``, ``mask/``
Maps, Facades   :func:`read_side_by_side`  ``<split>/*.jpg``, two pictures side by side
ISBI 2012       :func:`read_isbi12`        ``train-volume.tif``, ``train-labels.tif``
any masks       :func:`read_mask_folder`   a folder of pictures, black and white
HPatches        :func:`hpatches`           ``<sequence>/``: ``1.ppm``, ``H_1_2`` and so on to 6
MegaDepth       :func:`megadepth_scene`    ``scene_info/*.npz``, and what it names
COCO keypoints  :func:`coco_keypoints`     ``person_keypoints_*.json``, with or without six foot
                                           joints per person
Wildtrack       :func:`wildtrack_cameras`  ``calibrations/``: ``intrinsic_zero/``, ``extrinsic/``
Wildtrack       :func:`wildtrack_frame`    ``annotations_positions/*.json``
CMU Panoptic    :func:`panoptic_cameras`   ``<sequence>/calibration_<sequence>.json``
CMU Panoptic    :func:`panoptic_scene`     ``<sequence>/hdPose3d_stage1_coco19/``
LLP             :func:`llp`                ``AVVP_*.csv`` and folders of features
maps with       :func:`read_topomaps`      one ``.pth`` of the authors' format, or one GraphML file
uncertain ways
==============  =========================  ========================================================

Examples
--------
>>> import tempfile
>>> from pathlib import Path
>>> from PIL import Image
>>> with tempfile.TemporaryDirectory() as root:
...     for name, colour in [("sky", (0, 0, 255)), ("grass", (0, 128, 0))]:
...         Path(root, name).mkdir()
...         Image.new("RGB", (4, 2), colour).save(Path(root, name, "1.png"))
...     data = image_folder(root)
>>> data
Labelled(2 images of 2 x 4 x 3, 2 classes)
>>> data.classes, data.labels.tolist(), data.images[1, 0, 0].tolist()
(('grass', 'sky'), [0, 1], [0, 0, 255])
"""

from eccvkit.data.readers.cifar import cifar10, cifar100
from eccvkit.data.readers.coco_keypoints import PersonKeypoints, coco_keypoints
from eccvkit.data.readers.folders import image_folder, read_list, read_superclasses, tiny_imagenet
from eccvkit.data.readers.hpatches import hpatches
from eccvkit.data.readers.idx import fashion_mnist, mnist, read_idx
from eccvkit.data.readers.labelled import Labelled
from eccvkit.data.readers.llp import LLPVideos, llp
from eccvkit.data.readers.masks import (
    VesselImages,
    read_drive,
    read_isbi12,
    read_mask_folder,
    read_side_by_side,
)
from eccvkit.data.readers.megadepth import megadepth_scene
from eccvkit.data.readers.meshes import read_coma, read_faust, read_mesh, read_mesh_folder
from eccvkit.data.readers.panoptic import PanopticScene, panoptic_cameras, panoptic_scene
from eccvkit.data.readers.svhn import svhn
from eccvkit.data.readers.topomaps import TopologicalMap, read_topomaps
from eccvkit.data.readers.wildtrack import WildtrackFrame, wildtrack_cameras, wildtrack_frame

__all__ = [
    "LLPVideos",
    "Labelled",
    "PanopticScene",
    "PersonKeypoints",
    "TopologicalMap",
    "VesselImages",
    "WildtrackFrame",
    "cifar10",
    "cifar100",
    "coco_keypoints",
    "fashion_mnist",
    "hpatches",
    "image_folder",
    "llp",
    "megadepth_scene",
    "mnist",
    "panoptic_cameras",
    "panoptic_scene",
    "read_coma",
    "read_drive",
    "read_faust",
    "read_idx",
    "read_isbi12",
    "read_list",
    "read_mask_folder",
    "read_mesh",
    "read_mesh_folder",
    "read_side_by_side",
    "read_superclasses",
    "read_topomaps",
    "svhn",
    "tiny_imagenet",
    "wildtrack_cameras",
    "wildtrack_frame",
]
