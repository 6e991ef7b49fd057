"""What can be trained on: bundled real data, procedural generators, readers of published formats.

========================================  ==========================================================
:mod:`~eccvkit.data.bundled`              real images that ship inside scikit-learn and scikit-image
:mod:`~eccvkit.data.splits`               seeded train/test and known/unknown partitions
:mod:`~eccvkit.data.readers`              the papers' own data sets in their published formats
:mod:`~eccvkit.data.glyph_aircraft`       long-tailed aircraft silhouettes, classes and roles
:mod:`~eccvkit.data.aircraft_shapes`      how one silhouette is drawn
:mod:`~eccvkit.data.masks`                membranes: cell walls, some cut open, with known topology
:mod:`~eccvkit.data.retina`               vessels of a real fundus photograph, as masks and patches
:mod:`~eccvkit.data.patches`              random patches of binary masks
:mod:`~eccvkit.data.meshes`               registered meshes, and bent strips with exact geodesics
:mod:`~eccvkit.data.decimate`             registered meshes decimated alike on one template
:mod:`~eccvkit.data.tinyshapes`           coloured shapes with textures, 10 or 100 classes
:mod:`~eccvkit.data.shape_outlines`       signed distances of the shapes
:mod:`~eccvkit.data.shapes_det`           scenes with boxes, masks and distractors, to detect
:mod:`~eccvkit.data.detections`           ground truth and detections as tables
:mod:`~eccvkit.data.coco`                 both, from COCO's JSON files
:mod:`~eccvkit.data.homography_pairs`     two views of photographs and textures, exactly matched
:mod:`~eccvkit.data.procedural_textures`  textures without end, by name and seed
:mod:`~eccvkit.data.stereo`               a real stereo pair with its measured disparity
:mod:`~eccvkit.data.people`               people as joints in space, in random poses
:mod:`~eccvkit.data.cameras`              pinhole cameras, and what they know about each other
:mod:`~eccvkit.data.capsules`             bodies of capsules: who hides which joint, pictures
:mod:`~eccvkit.data.crowd`                crowds before several cameras, with noisy joints
:mod:`~eccvkit.data.crops`                crops of images around boxes
:mod:`~eccvkit.data.av_scenes`            videos as audio and visual features of snippets
:mod:`~eccvkit.data.av_render`            the same to look at and to listen to
:mod:`~eccvkit.data.floor_plans`          floor plans with uncertain topological maps
:mod:`~eccvkit.data.panoramas`            what a node of a floor plan sees around itself
:mod:`~eccvkit.data.shortest_paths`       shortest paths in batches of small dense graphs
========================================  ==========================================================

Tensors for training are float32 images (N, C, H, W) in [0, 1] and int64 labels (N,); readers return
plain arrays.
"""
