"""The photographs of the set ``patches``: which files of which packages of Debian 12.

Chosen by eye among what wallpapers, puzzles and OpenCV's examples carry: colour photographs with
texture. No drawings, no gradients, and no two pictures of one scene.
"""

from __future__ import annotations

PHOTOGRAPHS: dict[str, tuple[str, ...]] = {
    "lomiri-wallpapers-16.04": tuple(
        f"/usr/share/backgrounds/{name}.jpg"
        for name in (
            "Bridge_by_Sander_Klootwijk",
            "Dragonfly_by_Bolly",
            "Picture_0B_by_freespace",
            "Picture_1A_by_freespace",
            "Wine_by_Jakkub_Mede",
            "aitzgorri_by_Aitzol_Berasategi",
            "analogpattern_by_Peter_Nerlich",
            "friends_by_Aitzol_Berasategi",
            "greentock_by_Peter_Nerlich",
            "life_by_Aitzol_Berasategi",
            "picosdeeuropa_by_Aitzol_Berasategi",
            "seeding_by_Clements_Engelhardt",
            "sunset_by_Aitzol_Berasategi",
        )
    ),
    "lomiri-wallpapers-20.04": ("/usr/share/backgrounds/Kleiber_by_Lukas_Baubkus.jpg",),
    "mate-backgrounds": tuple(
        f"/usr/share/backgrounds/mate/nature/{name}.jpg"
        for name in (
            "Aqua", "Blinds", "Dune", "FreshFlower", "Garden", "GreenMeadow", "LadyBird",
            "RainDrops", "Storm", "TwoWings", "Wood", "YellowFlower",
        )
    ),
    "plasma-workspace-wallpapers": tuple(
        f"/usr/share/wallpapers/{name}/contents/images/2560x1600.jpg"
        for name in (
            "Autumn", "BytheWater", "ColdRipple", "ColorfulCups", "EveningGlow", "FallenLeaf",
            "Grey", "Kite", "OneStandsOut", "Path",
        )
    ),
    "lxqt-themes": tuple(
        f"/usr/share/lxqt/wallpapers/{name}"
        for name in (
            "after-the-rain.jpg", "cloud.png", "flowers.png", "fog.jpg", "this-is-not-windows.jpg",
        )
    ),
    "palapeli-data": tuple(
        f"/usr/share/palapeli/collection/{name}.jpg"
        for name in (
            "castle-maintenon", "cincinnati-bridge", "citrus-fruits", "european-honey-bee",
            "panther-chameleon-female",
        )
    ),
    "opencv-doc": tuple(
        f"/usr/share/doc/opencv-doc/examples/{name}"
        for name in (
            "alphamat/input_images/plant.jpg", "dnn_superres/butterfly.png", "hfs/data/000.jpg",
            "reg/home.png", "data/aero1.jpg", "data/aloeL.jpg", "data/apple.jpg",
            "data/baboon.jpg", "data/board.jpg", "data/building.jpg", "data/butterfly.jpg",
            "data/chicky_512.png", "data/fruits.jpg", "data/graf1.png", "data/leuvenA.jpg",
            "data/licenseplate_motion.jpg", "data/messi5.jpg", "data/orange.jpg",
            "data/rubberwhale1.png", "data/squirrel_cls.jpg", "text/scenetext01.jpg",
            "text/scenetext02.jpg", "text/scenetext03.jpg", "text/scenetext04.jpg",
            "text/scenetext05.jpg", "text/scenetext06.jpg", "text/scenetext_segmented_word01.jpg",
            "text/scenetext_segmented_word02.jpg", "text/scenetext_segmented_word03.jpg",
            "text/scenetext_segmented_word04.jpg",
        )
    ),
}  # fmt: skip
"""Paths in each package."""
