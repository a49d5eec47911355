"""Papers to cite, by key; data sets are found by the DOI that the run names."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["REFERENCES", "Citations", "Reference"]


class Reference(NamedTuple):
    """A reference as a reference list has it; ``doi`` is empty where there is none."""

    text: str
    doi: str = ""


REFERENCES = {
    # Data sets.
    "deap": Reference(
        "Koelstra S, Mühl C, Soleymani M, Lee J-S, Yazdani A, Ebrahimi T, Pun T, Nijholt A, Patras I (2012). "
        "DEAP: "
        "A database for emotion analysis using physiological signals. IEEE Transactions on Affective "
        "Computing "
        "3(1):18–31.",
        "10.1109/T-AFFC.2011.15",
    ),
    "dreamer": Reference(
        "Katsigiannis S, Ramzan N (2018). DREAMER: A database for emotion recognition through EEG and ECG "
        "signals "
        "from wireless low-cost off-the-shelf devices. IEEE Journal of Biomedical and Health Informatics "
        "22(1):98–107.",
        "10.1109/JBHI.2017.2688239",
    ),
    "seed": Reference(
        "Zheng W-L, Lu B-L (2015). Investigating critical frequency bands and channels for EEG-based emotion "
        "recognition with deep neural networks. IEEE Transactions on Autonomous Mental Development "
        "7(3):162–175.",
        "10.1109/TAMD.2015.2431497",
    ),
    "seed_iv": Reference(
        "Zheng W-L, Liu W, Lu Y, Lu B-L, Cichocki A (2019). EmotionMeter: A multimodal framework for "
        "recognizing "
        "human emotions. IEEE Transactions on Cybernetics 49(3):1110–1122.",
        "10.1109/TCYB.2018.2797176",
    ),
    "seed_v": Reference(
        "Liu W, Qiu J-L, Zheng W-L, Lu B-L (2022). Comparing recognition performance and robustness of "
        "multimodal "
        "deep learning models for multimodal emotion recognition. IEEE Transactions on Cognitive and "
        "Developmental "
        "Systems 14(2):715–729.",
        "10.1109/TCDS.2021.3071170",
    ),
    "mahnob": Reference(
        "Soleymani M, Lichtenauer J, Pun T, Pantic M (2012). A multimodal database for affect recognition "
        "and "
        "implicit tagging. IEEE Transactions on Affective Computing 3(1):42–55.",
        "10.1109/T-AFFC.2011.25",
    ),
    "wesad": Reference(
        "Schmidt P, Reiss A, Duerichen R, Marberger C, Van Laerhoven K (2018). Introducing WESAD, a "
        "multimodal "
        "dataset for wearable stress and affect detection. Proceedings of the 20th ACM International "
        "Conference on "
        "Multimodal Interaction, 400–408.",
        "10.1145/3242969.3242985",
    ),
    "eegmat": Reference(
        "Zyma I, Tukaev S, Seleznov I, Kiyono K, Popov A, Chernykh M, Shpenkov O (2019). "
        "Electroencephalograms "
        "during mental arithmetic task performance. Data 4(1):14.",
        "10.3390/data4010014",
    ),
    "stress_predict": Reference(
        "Iqbal T, Simpkin AJ, Roshan D, Glynn N, Killilea J, Walsh J, Molloy G, Ganly S, Ryman H, Coen E, "
        "Elahi A, "
        "Wijns W, Shahzad A (2022). Stress monitoring using wearable sensors: A pilot study and "
        "Stress-Predict "
        "dataset. Sensors 22(21):8135.",
        "10.3390/s22218135",
    ),
    "goldberger2000": Reference(
        "Goldberger AL, Amaral LAN, Glass L, et al. (2000). PhysioBank, PhysioToolkit, and PhysioNet: "
        "Components of a new research resource for complex physiologic signals. Circulation "
        "101(23):e215–e220.",
        "10.1161/01.CIR.101.23.e215",
    ),
    # Features.
    "shi2013": Reference(
        "Shi L-C, Jiao Y-Y, Lu B-L (2013). Differential entropy feature for EEG-based vigilance estimation. "
        "35th "
        "Annual International Conference of the IEEE EMBS, 6627–6630.",
        "10.1109/EMBC.2013.6611075",
    ),
    "duan2013": Reference(
        "Duan R-N, Zhu J-Y, Lu B-L (2013). Differential entropy feature for EEG-based emotion "
        "classification. 6th "
        "International IEEE/EMBS Conference on Neural Engineering, 81–84.",
        "10.1109/NER.2013.6695876",
    ),
    "smith2017": Reference(
        "Smith EE, Reznik SJ, Stewart JL, Allen JJB (2017). Assessing and conceptualizing frontal EEG "
        "asymmetry: An "
        "updated primer on recording, processing, analyzing, and interpreting frontal alpha asymmetry. "
        "International Journal of Psychophysiology 111:98–114.",
        "10.1016/j.ijpsycho.2016.11.005",
    ),
    "donoghue2020": Reference(
        "Donoghue T, Haller M, Peterson EJ, et al. (2020). Parameterizing neural power spectra into periodic "
        "and "
        "aperiodic components. Nature Neuroscience 23:1655–1665.",
        "10.1038/s41593-020-00744-x",
    ),
    "hjorth1970": Reference(
        "Hjorth B (1970). EEG analysis based on time domain properties. Electroencephalography and Clinical "
        "Neurophysiology 29:306–310.",
        "10.1016/0013-4694(70)90143-4",
    ),
    "higuchi1988": Reference(
        "Higuchi T (1988). Approach to an irregular time series on the basis of the fractal theory. Physica "
        "D "
        "31:277–283.",
        "10.1016/0167-2789(88)90081-4",
    ),
    "esteller2001": Reference(
        "Esteller R, Echauz J, Tcheng T, Litt B, Pless B (2001). Line length: An efficient feature for "
        "seizure onset "
        "detection. 23rd Annual International Conference of the IEEE EMBS, 1707–1710.",
        "10.1109/IEMBS.2001.1020545",
    ),
    # Models.
    "ledoit2004": Reference(
        "Ledoit O, Wolf M (2004). A well-conditioned estimator for large-dimensional covariance matrices. "
        "Journal of "
        "Multivariate Analysis 88:365–411.",
        "10.1016/S0047-259X(03)00096-4",
    ),
    "breiman2001": Reference(
        "Breiman L (2001). Random forests. Machine Learning 45:5–32.", "10.1023/A:1010933404324"
    ),
    "barachant2012": Reference(
        "Barachant A, Bonnet S, Congedo M, Jutten C (2012). Multiclass brain–computer interface "
        "classification by "
        "Riemannian geometry. IEEE Transactions on Biomedical Engineering 59:920–928.",
        "10.1109/TBME.2011.2172210",
    ),
    "dgcnn": Reference(
        "Song T, Zheng W, Song P, Cui Z (2020). EEG emotion recognition using dynamical graph convolutional "
        "neural "
        "networks. IEEE Transactions on Affective Computing 11(3):532–541.",
        "10.1109/TAFFC.2018.2817622",
    ),
    "gcbnet": Reference(
        "Zhang T, Wang X, Xu X, Chen CLP (2022). GCB-Net: Graph convolutional broad network and its "
        "application in "
        "emotion recognition. IEEE Transactions on Affective Computing 13(1):379–388.",
        "10.1109/TAFFC.2019.2937768",
    ),
    "rgnn": Reference(
        "Zhong P, Wang D, Miao C (2022). EEG-based emotion recognition using regularized graph neural "
        "networks. IEEE "
        "Transactions on Affective Computing 13(3):1290–1301.",
        "10.1109/TAFFC.2020.2994159",
    ),
    "eegnet": Reference(
        "Lawhern VJ, Solon AJ, Waytowich NR, Gordon SM, Hung CP, Lance BJ (2018). EEGNet: A compact "
        "convolutional "
        "neural network for EEG-based brain–computer interfaces. Journal of Neural Engineering 15(5):056013.",
        "10.1088/1741-2552/aace8c",
    ),
    "tsception": Reference(
        "Ding Y, Robinson N, Zhang S, Zeng Q, Guan C (2022). TSception: Capturing temporal dynamics and "
        "spatial "
        "asymmetry from EEG for emotion recognition. IEEE Transactions on Affective Computing.",
        "10.1109/TAFFC.2022.3169001",
    ),
    "lggnet": Reference(
        "Ding Y, Robinson N, Tong C, Zeng Q, Guan C (2023). LGGNet: Learning from local-global-graph "
        "representations "
        "for brain–computer interface. IEEE Transactions on Neural Networks and Learning Systems.",
        "10.1109/TNNLS.2023.3236635",
    ),
    "histn": Reference(
        "Kuang D, Song X, Michoski C (2024). Emotion classification from multi-channel EEG signals using "
        "HiSTN: A "
        "hierarchical graph-based spatial-temporal approach. arXiv:2408.15255."
    ),
    "rbtransformer": Reference(
        "Kumar N, Bhandari P, Maragatham G (2025). A brain wave encodes a thousand tokens: Modeling "
        "inter-cortical "
        "neural interactions for effective EEG-based emotion recognition. arXiv:2511.13954."
    ),
    # Statistics.
    "holm1979": Reference(
        "Holm S (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of "
        "Statistics "
        "6:65–70."
    ),
    "wilcoxon1945": Reference(
        "Wilcoxon F (1945). Individual comparisons by ranking methods. Biometrics Bulletin 1(6):80–83.",
        "10.2307/3001968",
    ),
    "phipson2010": Reference(
        "Phipson B, Smyth GK (2010). Permutation p-values should never be zero: Calculating exact p-values "
        "when "
        "permutations are randomly drawn. Statistical Applications in Genetics and Molecular Biology "
        "9(1):39.",
        "10.2202/1544-6115.1585",
    ),
    "lakens2013": Reference(
        "Lakens D (2013). Calculating and reporting effect sizes to facilitate cumulative science: A "
        "practical primer "
        "for t-tests and ANOVAs. Frontiers in Psychology 4:863.",
        "10.3389/fpsyg.2013.00863",
    ),
    "bengio2004": Reference(
        "Bengio Y, Grandvalet Y (2004). No unbiased estimator of the variance of K-fold cross-validation. "
        "Journal of "
        "Machine Learning Research 5:1089–1105."
    ),
    "nadeau2003": Reference(
        "Nadeau C, Bengio Y (2003). Inference for the generalization error. Machine Learning 52:239–281.",
        "10.1023/A:1024068626366",
    ),
    "guo2017": Reference(
        "Guo C, Pleiss G, Sun Y, Weinberger KQ (2017). On calibration of modern neural networks. Proceedings "
        "of the "
        "34th International Conference on Machine Learning, PMLR 70:1321–1330."
    ),
    "lin1989": Reference(
        "Lin LI-K (1989). A concordance correlation coefficient to evaluate reproducibility. Biometrics "
        "45:255–268.",
        "10.2307/2532051",
    ),
    "haufe2014": Reference(
        "Haufe S, Meinecke F, Görgen K, Dähne S, Haynes J-D, Blankertz B, Bießmann F (2014). On the "
        "interpretation of "
        "weight vectors of linear models in multivariate neuroimaging. NeuroImage 87:96–110.",
        "10.1016/j.neuroimage.2013.10.067",
    ),
    # Software.
    "scikit-learn": Reference(
        "Pedregosa F, Varoquaux G, Gramfort A, et al. (2011). Scikit-learn: Machine learning in Python. "
        "Journal of "
        "Machine Learning Research 12:2825–2830."
    ),
    "numpy": Reference(
        "Harris CR, Millman KJ, van der Walt SJ, et al. (2020). Array programming with NumPy. Nature "
        "585:357–362.",
        "10.1038/s41586-020-2649-2",
    ),
    "scipy": Reference(
        "Virtanen P, Gommers R, Oliphant TE, et al. (2020). SciPy 1.0: Fundamental algorithms for scientific "
        "computing "
        "in Python. Nature Methods 17:261–272.",
        "10.1038/s41592-019-0686-2",
    ),
    "mne": Reference(
        "Gramfort A, Luessi M, Larson E, et al. (2013). MEG and EEG data analysis with MNE-Python. Frontiers "
        "in "
        "Neuroscience 7:267.",
        "10.3389/fnins.2013.00267",
    ),
    "torch": Reference(
        "Paszke A, Gross S, Massa F, et al. (2019). PyTorch: An imperative style, high-performance deep "
        "learning "
        "library. Advances in Neural Information Processing Systems 32."
    ),
}

_BY_DOI = {reference.doi.lower(): key for key, reference in REFERENCES.items() if reference.doi}


class Citations:
    """Numbers references in the order in which a text cites them."""

    def __init__(self) -> None:
        self._cited: dict[str, Reference] = {}

    def cite(self, *keys: str) -> str:
        """Give back the marks of references, such as ``[1, 2]``; unknown keys are left out."""
        known = [key for key in keys if key in REFERENCES]
        for key in known:
            self._cited.setdefault(key, REFERENCES[key])
        return self._mark(known)

    def cite_doi(self, title: str, doi: str) -> str:
        """Cite a paper by its DOI; if it is none of ours, by title and DOI."""
        if not doi:
            return ""
        key = _BY_DOI.get(doi.lower(), doi)
        self._cited.setdefault(key, REFERENCES.get(key, Reference(f"{title}.", doi)))
        return self._mark([key])

    def _mark(self, keys: list[str]) -> str:
        order = list(self._cited)
        numbers = sorted(order.index(key) + 1 for key in keys)
        return f" [{', '.join(map(str, numbers))}]" if numbers else ""

    @property
    def references(self) -> list[Reference]:
        """What was cited, in order."""
        return list(self._cited.values())
